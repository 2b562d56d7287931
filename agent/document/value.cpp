#include "document/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace keelson::document {

Value Value::null(uint32_t line) {
  Value value;
  value.line_ = line;
  return value;
}

Value Value::boolean(bool truth, std::string text, uint32_t line) {
  Value value = null(line);
  value.type_ = Type::kBool;
  value.bool_ = truth;
  value.text_ = std::move(text);
  return value;
}

Value Value::number(std::string text, uint32_t line) {
  Value value = null(line);
  value.type_ = Type::kNumber;
  value.text_ = std::move(text);
  return value;
}

Value Value::string(std::string text, uint32_t line) {
  Value value = null(line);
  value.type_ = Type::kString;
  value.text_ = std::move(text);
  return value;
}

Value Value::list(std::vector<Value> items, uint32_t line) {
  Value value = null(line);
  value.type_ = Type::kList;
  value.height_ = 1;
  for (const Value& item : items) {
    value.node_count_ += item.node_count_;
    value.height_ = std::max(value.height_, item.height_ + 1);
  }
  value.items_ = std::move(items);
  return value;
}

Value Value::mapping(std::vector<Member> members, uint32_t line) {
  Value value = null(line);
  value.type_ = Type::kMapping;
  value.height_ = 1;
  for (const Member& member : members) {
    value.node_count_ += member.value.node_count_;
    value.height_ = std::max(value.height_, member.value.height_ + 1);
  }
  value.members_ = std::move(members);
  return value;
}

std::optional<int64_t> Value::as_int64() const {
  if (type_ != Type::kNumber) return std::nullopt;
  std::string digits;
  for (char c : text_)
    if (c != '_' && c != '+') digits += c;
  const bool negative = digits.starts_with('-');
  std::string_view rest = std::string_view(digits).substr(negative ? 1 : 0);
  int base = 10;
  if (rest.starts_with("0x") || rest.starts_with("0X")) {
    base = 16;
    rest.remove_prefix(2);
  } else if (rest.starts_with("0b")) {
    base = 2;
    rest.remove_prefix(2);
  } else if (rest.starts_with("0o")) {
    base = 8;
    rest.remove_prefix(2);
  } else if (rest.size() > 1 && rest.front() == '0') {
    base = 8;
    rest.remove_prefix(1);
  }
  int64_t result = 0;
  const char* end = rest.data() + rest.size();
  const auto [parsed, error] = std::from_chars(rest.data(), end, result, base);
  if (rest.empty() || error != std::errc{} || parsed != end || result < 0) return std::nullopt;
  return negative ? -result : result;
}

const Value* Value::find(std::string_view key) const noexcept {
  for (const Member& member : members_)
    if (member.key == key) return &member.value;
  return nullptr;
}

namespace {

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_json(std::string& out, const Value& value) {
  switch (value.type()) {
    case Value::Type::kNull:
      out += "null";
      return;
    case Value::Type::kBool:
      out += value.as_bool() ? "true" : "false";
      return;
    case Value::Type::kNumber:
      out += value.text();
      return;
    case Value::Type::kString:
      append_quoted(out, value.text());
      return;
    case Value::Type::kList:
      out += '[';
      for (const Value& item : value.items()) {
        if (&item != &value.items().front()) out += ", ";
        append_json(out, item);
      }
      out += ']';
      return;
    case Value::Type::kMapping:
      out += '{';
      for (const Member& member : value.members()) {
        if (&member != &value.members().front()) out += ", ";
        append_quoted(out, member.key);
        out += ": ";
        append_json(out, member.value);
      }
      out += '}';
      return;
  }
}

}  // namespace

std::string Value::to_json() const {
  std::string out;
  append_json(out, *this);
  return out;
}

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

std::string_view type_name(Value::Type type) noexcept {
  switch (type) {
    case Value::Type::kNull:
      return "null";
    case Value::Type::kBool:
      return "boolean";
    case Value::Type::kNumber:
      return "number";
    case Value::Type::kString:
      return "string";
    case Value::Type::kList:
      return "list";
    case Value::Type::kMapping:
      return "mapping";
  }
  return "unknown";
}

}  // namespace keelson::document
