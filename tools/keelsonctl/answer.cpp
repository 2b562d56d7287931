#include "keelsonctl/answer.h"

namespace keelson::ctl {

Result<Json> parse(std::string_view text) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded() || !value.is_object())
    return fail(Reason::syntax_error, ErrorSource::kUpstream, "the agent's answer is not JSON");
  return value;
}

const Json& member(const Json& object, const char* name) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

std::string text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_integer()) return value.dump();
  return {};
}

std::string text(const Json& object, const char* name) {
  return text(member(object, name));
}

bool flag(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_boolean() && value.get<bool>();
}

uint64_t number(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
}

std::vector<Json> objects(const Json& object, const char* name) {
  std::vector<Json> all;
  if (const Json& list = member(object, name); list.is_array())
    for (const auto& element : list)
      if (element.is_object()) all.push_back(element);
  return all;
}

std::string joined(const Json& list, const char* separator) {
  std::string all;
  if (!list.is_array()) return all;
  for (const auto& element : list) all += (all.empty() ? "" : separator) + text(element);
  return all;
}

}  // namespace keelson::ctl
