// Value: one immutable tree for YAML and JSON. Every node and every mapping key knows its line, so
// that whoever decodes it can name the place. Mappings keep the document's order and never hold a
// key twice (the parsers refuse that). Scalars carry the type that Kubernetes would see (YAML 1.1
// as in sigs.k8s.io/yaml: an unquoted yes, no, on, off is a bool) and their text as written.
// Plain data, any thread; decodes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::document {

struct Member;

class Value {
 public:
  enum class Type : uint8_t { kNull, kBool, kNumber, kString, kList, kMapping };

  Value() = default;  // null, line 0
  static Value null(uint32_t line);
  static Value boolean(bool value, std::string text, uint32_t line);
  static Value number(std::string text, uint32_t line);
  static Value string(std::string text, uint32_t line);
  static Value list(std::vector<Value> items, uint32_t line);
  static Value mapping(std::vector<Member> members, uint32_t line);

  Type type() const noexcept { return type_; }
  uint32_t line() const noexcept { return line_; }  // 1-based
  bool is_null() const noexcept { return type_ == Type::kNull; }
  bool is_string() const noexcept { return type_ == Type::kString; }
  bool is_list() const noexcept { return type_ == Type::kList; }
  bool is_mapping() const noexcept { return type_ == Type::kMapping; }

  // A scalar as written; a string's content. Empty for null, lists and mappings.
  const std::string& text() const noexcept { return text_; }
  bool as_bool() const noexcept { return bool_; }
  // Numbers that are whole and fit; decimal, 0x, 0o, 0b and the old octal 0777.
  std::optional<int64_t> as_int64() const;

  const std::vector<Value>& items() const noexcept { return items_; }
  const std::vector<Member>& members() const noexcept { return members_; }
  const Value* find(std::string_view key) const noexcept;  // nullptr: not a mapping, or absent

  size_t node_count() const noexcept { return node_count_; }  // itself and all below
  uint32_t height() const noexcept { return height_; }        // 0 for scalars

  // One line of JSON, which is also YAML: keeps values and order, loses lines and comments.
  std::string to_json() const;

 private:
  Type type_ = Type::kNull;
  bool bool_ = false;
  uint32_t line_ = 0;
  uint32_t height_ = 0;
  size_t node_count_ = 1;
  std::string text_;
  std::vector<Value> items_;
  std::vector<Member> members_;
};

struct Member {
  std::string key;
  uint32_t key_line = 0;
  Value value;
};

// A JSON string, which is also a YAML scalar.
std::string quoted(std::string_view text);
std::string_view type_name(Value::Type type) noexcept;  // "string", "list", ...

}  // namespace keelson::document
