// json_text: how every admin answer is written: field order as the code says, and bytes that are
// not UTF-8 replaced instead of thrown at (names in events come from objects, but a test or an old
// state file may hold anything). Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace keelson::admin {

std::string json_text(const nlohmann::ordered_json& value);

}  // namespace keelson::admin
