// answer: reads fields of an admin answer (agent/admin/views.h). A missing field, or one of another
// type, reads as empty, so that an older agent still shows. Pure. For the renderers' .cpp files
// only: it brings nlohmann's header with it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::ctl {

using Json = nlohmann::ordered_json;

Result<Json> parse(std::string_view text);  // an object; error: syntax_error
const Json& member(const Json& object, const char* name);
// Of a scalar; empty for everything else.
std::string text(const Json& value);
std::string text(const Json& object, const char* name);
bool flag(const Json& object, const char* name);
uint64_t number(const Json& object, const char* name);
// Elements of a list that are objects.
std::vector<Json> objects(const Json& object, const char* name);
std::string joined(const Json& list, const char* separator = ",");

}  // namespace keelson::ctl
