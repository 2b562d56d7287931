// FieldReader: walks one mapping of a document for a decoder. It knows the path ("spec.rules[0]"),
// turns a wrong type or value into a Finding with place and fix, and remembers which fields were
// asked for, so that a strict decoder can refuse the rest. Private to agent/model.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "document/value.h"
#include "model/finding.h"
#include "model/objects.h"

namespace keelson::model {

// One object being decoded: whom findings are about, and whether this version is bad.
struct DecodeContext {
  std::string file;
  std::string object;
  std::vector<Finding>* findings = nullptr;
  bool bad = false;

  void refuse(Reason reason, uint32_t line, std::string message, std::string fix);  // sets bad
  void warn(Reason reason, uint32_t line, std::string message, std::string fix);
  void inform(Reason reason, uint32_t line, std::string message, std::string fix);
};

class FieldReader {
 public:
  // A value that is not a mapping is refused and reads as an empty one; null reads as empty.
  FieldReader(DecodeContext& context, const document::Value& value, std::string path);

  const std::string& path() const noexcept { return path_; }
  std::string path_of(std::string_view field) const;
  uint32_t line() const noexcept { return value_->line(); }
  DecodeContext& context() const noexcept { return context_; }

  // nullptr when absent. An explicit null is returned: it differs from absence.
  const document::Value* find(std::string_view field);
  bool has(std::string_view field) { return find(field) != nullptr; }

  // Absent and null both give nothing; a wrong type is refused and gives nothing.
  std::optional<std::string> string(std::string_view field);
  std::optional<bool> boolean(std::string_view field);
  std::optional<int64_t> integer(std::string_view field);
  std::optional<uint16_t> port(std::string_view field);  // 1..65535
  std::optional<IpAddress> address(std::string_view field);
  std::optional<Labels> labels(std::string_view field);       // keys and values checked
  std::optional<Labels> annotations(std::string_view field);  // values free
  std::optional<FieldReader> mapping(std::string_view field);
  // The items of a list; nothing for absent or null. `item_path` names each.
  const std::vector<document::Value>* list(std::string_view field);
  std::string item_path(std::string_view field, size_t index) const;

  // A field that exists in the API and that Keelson does not implement: refused if present.
  void refuse_unsupported(std::initializer_list<std::string_view> fields, std::string_view fix);
  // Refuses every field that nobody asked for, with the nearest one that somebody did.
  void refuse_unknown();

  void refuse(Reason reason, uint32_t line, std::string_view field, std::string_view problem,
              std::string fix);

 private:
  const document::Value* typed(std::string_view field, document::Value::Type type,
                               std::string_view wanted);

  DecodeContext& context_;
  const document::Value* value_;
  std::string path_;
  std::vector<std::string_view> asked_;
};

// A string item of a list. Error already reported: nothing.
std::optional<std::string> string_item(DecodeContext& context, const document::Value& item,
                                       const std::string& path);
std::optional<uint16_t> port_item(DecodeContext& context, const document::Value& item,
                                  const std::string& path);
std::optional<IpAddress> address_item(DecodeContext& context, const document::Value& item,
                                      const std::string& path);

}  // namespace keelson::model
