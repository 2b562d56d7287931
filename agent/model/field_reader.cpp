#include "model/field_reader.h"

#include <algorithm>

#include "model/name_rules.h"

namespace keelson::model {

using document::Value;

namespace {

const Value& empty_mapping() {
  static const Value empty = Value::mapping({}, 0);
  return empty;
}

std::string quoting_fix(const Value& value) {
  if (value.type() == Value::Type::kBool || value.type() == Value::Type::kNumber)
    return "write it in quotes: \"" + value.text() + "\"";
  return "write a string";
}

void refuse_type(DecodeContext& context, const Value& value, const std::string& path,
                 std::string_view wanted) {
  const bool quoting = wanted == "a string";
  const std::string shown = value.text().empty() ? "" : " (" + value.text() + ")";
  context.refuse(Reason::wrong_type, value.line(),
                 path + " must be " + std::string(wanted) + ", not " +
                     std::string(type_name(value.type())) + shown,
                 quoting ? quoting_fix(value) : "write " + std::string(wanted));
}

}  // namespace

void DecodeContext::refuse(Reason reason, uint32_t line, std::string message, std::string fix) {
  bad = true;
  findings->push_back(
      {Severity::kError, reason, {file, line}, object, std::move(message), std::move(fix)});
}

void DecodeContext::warn(Reason reason, uint32_t line, std::string message, std::string fix) {
  findings->push_back(
      {Severity::kWarning, reason, {file, line}, object, std::move(message), std::move(fix)});
}

void DecodeContext::inform(Reason reason, uint32_t line, std::string message, std::string fix) {
  findings->push_back(
      {Severity::kInfo, reason, {file, line}, object, std::move(message), std::move(fix)});
}

FieldReader::FieldReader(DecodeContext& context, const Value& value, std::string path)
    : context_(context), value_(&value), path_(std::move(path)) {
  if (value.is_mapping()) return;
  if (!value.is_null()) refuse_type(context, value, path_, "a mapping");
  value_ = &empty_mapping();
}

std::string FieldReader::path_of(std::string_view field) const {
  return path_.empty() ? std::string(field) : path_ + "." + std::string(field);
}

std::string FieldReader::item_path(std::string_view field, size_t index) const {
  return path_of(field) + "[" + std::to_string(index) + "]";
}

const Value* FieldReader::find(std::string_view field) {
  asked_.push_back(field);
  return value_->find(field);
}

const Value* FieldReader::typed(std::string_view field, Value::Type type, std::string_view wanted) {
  const Value* value = find(field);
  if (value == nullptr || value->is_null()) return nullptr;
  if (value->type() == type) return value;
  refuse_type(context_, *value, path_of(field), wanted);
  return nullptr;
}

std::optional<std::string> FieldReader::string(std::string_view field) {
  const Value* value = typed(field, Value::Type::kString, "a string");
  if (value == nullptr) return std::nullopt;
  return value->text();
}

std::optional<bool> FieldReader::boolean(std::string_view field) {
  const Value* value = typed(field, Value::Type::kBool, "true or false");
  if (value == nullptr) return std::nullopt;
  return value->as_bool();
}

std::optional<int64_t> FieldReader::integer(std::string_view field) {
  const Value* value = typed(field, Value::Type::kNumber, "a whole number");
  if (value == nullptr) return std::nullopt;
  const auto number = value->as_int64();
  if (!number) refuse_type(context_, *value, path_of(field), "a whole number");
  return number;
}

std::optional<uint16_t> FieldReader::port(std::string_view field) {
  const Value* value = find(field);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return port_item(context_, *value, path_of(field));
}

std::optional<IpAddress> FieldReader::address(std::string_view field) {
  const Value* value = find(field);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return address_item(context_, *value, path_of(field));
}

std::optional<Labels> FieldReader::labels(std::string_view field) {
  const Value* value = typed(field, Value::Type::kMapping, "a mapping of strings");
  if (value == nullptr) return std::nullopt;
  Labels labels;
  for (const auto& member : value->members()) {
    const std::string path = path_of(field) + "." + member.key;
    const auto text = string_item(context_, member.value, path);
    if (!is_label_key(member.key))
      context_.refuse(Reason::bad_value, member.key_line, path + " is not a label key",
                      "use letters, digits, '-', '_', '.', at most 63, with an optional prefix/");
    else if (text && !is_label_value(*text))
      context_.refuse(Reason::bad_value, member.value.line(), path + " is not a label value",
                      "use letters, digits, '-', '_', '.', at most 63");
    if (text) labels.emplace(member.key, *text);
  }
  return labels;
}

std::optional<Labels> FieldReader::annotations(std::string_view field) {
  const Value* value = typed(field, Value::Type::kMapping, "a mapping of strings");
  if (value == nullptr) return std::nullopt;
  Labels annotations;
  for (const auto& member : value->members())
    if (auto text = string_item(context_, member.value, path_of(field) + "." + member.key))
      annotations.emplace(member.key, std::move(*text));
  return annotations;
}

std::optional<FieldReader> FieldReader::mapping(std::string_view field) {
  const Value* value = typed(field, Value::Type::kMapping, "a mapping");
  if (value == nullptr) return std::nullopt;
  return FieldReader(context_, *value, path_of(field));
}

const std::vector<Value>* FieldReader::list(std::string_view field) {
  const Value* value = typed(field, Value::Type::kList, "a list");
  return value == nullptr ? nullptr : &value->items();
}

void FieldReader::refuse_unsupported(std::initializer_list<std::string_view> fields,
                                     std::string_view fix) {
  for (const std::string_view field : fields)
    if (const Value* value = find(field))
      refuse(Reason::unsupported_field, value->line(), field, "is not implemented",
             std::string(fix));
}

void FieldReader::refuse_unknown() {
  for (const auto& member : value_->members()) {
    if (std::ranges::find(asked_, member.key) != asked_.end()) continue;
    const std::string_view meant = nearest(member.key, asked_);
    context_.refuse(Reason::unknown_field, member.key_line, "unknown field " + path_of(member.key),
                    meant.empty() ? "remove it" : "did you mean '" + std::string(meant) + "'?");
  }
}

void FieldReader::refuse(Reason reason, uint32_t line, std::string_view field,
                         std::string_view problem, std::string fix) {
  context_.refuse(reason, line, path_of(field) + " " + std::string(problem), std::move(fix));
}

std::optional<std::string> string_item(DecodeContext& context, const Value& item,
                                       const std::string& path) {
  if (item.is_string()) return item.text();
  refuse_type(context, item, path, "a string");
  return std::nullopt;
}

std::optional<uint16_t> port_item(DecodeContext& context, const Value& item,
                                  const std::string& path) {
  const auto number = item.as_int64();
  if (number && *number >= 1 && *number <= 65535) return static_cast<uint16_t>(*number);
  const Reason reason = number ? Reason::bad_value : Reason::wrong_type;
  context.refuse(reason, item.line(), path + " must be a port number", "use 1 to 65535");
  return std::nullopt;
}

std::optional<IpAddress> address_item(DecodeContext& context, const Value& item,
                                      const std::string& path) {
  const auto text = string_item(context, item, path);
  if (!text) return std::nullopt;
  if (auto address = IpAddress::parse(*text)) return *address;
  context.refuse(Reason::bad_value, item.line(), path + " '" + *text + "' is not an IP address",
                 "write an IPv4 or IPv6 address without port");
  return std::nullopt;
}

}  // namespace keelson::model
