#include "schema.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>

namespace keelson::crds {
namespace {

using document::Value;
using Lines = std::vector<std::string>;

// Owned by the API server, which validates them itself.
constexpr std::array<std::string_view, 3> kStandardFields{"apiVersion", "kind", "metadata"};

std::string_view type_of(const Value& schema) {
  const Value* type = schema.find("type");
  return type == nullptr ? std::string_view() : type->text();
}

std::string_view schema_type(const Value& value) {
  switch (value.type()) {
    case Value::Type::kMapping:
      return "object";
    case Value::Type::kList:
      return "array";
    case Value::Type::kString:
      return "string";
    case Value::Type::kBool:
      return "boolean";
    default:
      return "integer";
  }
}

int64_t bound(const Value& schema, std::string_view name, int64_t otherwise) {
  const Value* found = schema.find(name);
  return found == nullptr ? otherwise : found->as_int64().value_or(otherwise);
}

std::string below(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

class Judge {
 public:
  void look(const Value& schema, const Value& value, const std::string& path) {
    if (const auto wanted = type_of(schema); wanted != schema_type(value))
      return refuse(path, "is no " + std::string(wanted));
    if (value.is_mapping()) look_at_fields(schema, value, path);
    if (value.is_list()) look_at_items(schema, value, path);
    if (value.is_string()) look_at_text(schema, value.text(), path);
  }
  Lines take() { return std::move(lines_); }

 private:
  void refuse(const std::string& path, const std::string& why) {
    lines_.push_back(path + ": " + why);
  }

  void look_at_fields(const Value& schema, const Value& value, const std::string& path) {
    const Value* properties = schema.find("properties");
    if (properties == nullptr) return;  // metadata
    if (const Value* required = schema.find("required"))
      for (const Value& name : required->items())
        if (value.find(name.text()) == nullptr) refuse(below(path, name.text()), "is missing");
    for (const auto& member : value.members()) {
      const Value* field = properties->find(member.key);
      if (field == nullptr)
        refuse(below(path, member.key), "is unknown");
      else
        look(*field, member.value, below(path, member.key));
    }
  }

  void look_at_items(const Value& schema, const Value& value, const std::string& path) {
    if (static_cast<int64_t>(value.items().size()) > bound(schema, "maxItems", INT64_MAX))
      refuse(path, "has too many items");
    for (size_t i = 0; i < value.items().size(); i++)
      look(*schema.find("items"), value.items()[i], path + "[" + std::to_string(i) + "]");
  }

  void look_at_text(const Value& schema, const std::string& text, const std::string& path) {
    const auto length = static_cast<int64_t>(text.size());
    if (length < bound(schema, "minLength", 0) || length > bound(schema, "maxLength", INT64_MAX))
      refuse(path, "is too short or too long");
    if (const Value* values = schema.find("enum");
        values != nullptr && std::ranges::none_of(values->items(), [&](const Value& allowed) {
          return allowed.text() == text;
        }))
      refuse(path, "'" + text + "' is not one of its values");
    if (const Value* pattern = schema.find("pattern");
        pattern != nullptr && !re2::RE2::PartialMatch(text, pattern->text()))
      refuse(path, "'" + text + "' does not fit its pattern");
  }

  Lines lines_;
};

void look_for_faults(const Value& schema, const std::string& path, Lines& faults) {
  const auto type = type_of(schema);
  // The API server: "must not specify anything other than name and generateName".
  if (path == "metadata") {
    if (schema.members().size() != 1) faults.push_back("metadata: says more than its type");
    return;
  }
  const Value* description = schema.find("description");
  if (type.empty()) faults.push_back(path + ": no type");
  if (description == nullptr || description->text().empty())
    faults.push_back(path + ": no description");
  if (type == "array" &&
      (schema.find("maxItems") == nullptr || schema.find("x-kubernetes-list-type") == nullptr))
    faults.push_back(path + ": a list needs maxItems and x-kubernetes-list-type");
  const bool standard = std::ranges::find(kStandardFields, path) != kStandardFields.end();
  if (type == "string" && !standard && schema.find("maxLength") == nullptr &&
      schema.find("enum") == nullptr)
    faults.push_back(path + ": a string needs maxLength or enum");
  if (type == "object" && !standard && schema.find("properties") == nullptr)
    faults.push_back(path + ": an object needs properties");
  if (const Value* items = schema.find("items")) look_for_faults(*items, path + "[]", faults);
  if (const Value* properties = schema.find("properties"))
    for (const auto& member : properties->members())
      look_for_faults(member.value, below(path, member.key), faults);
}

}  // namespace

Lines refusals(const Value& schema, const Value& object) {
  Judge judge;
  judge.look(schema, object, "");
  return judge.take();
}

Lines schema_faults(const Value& schema) {
  Lines faults;
  look_for_faults(schema, "", faults);
  return faults;
}

}  // namespace keelson::crds
