// YAML in and out for the lab: splits a file into documents that remember their lines, reads one as
// JSON (nlohmann), and writes JSON as YAML in which every string is quoted, so that no reader turns
// "1" or "on" into something else. Pure, any thread. Does not validate Kubernetes kinds.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::lab {

struct DocumentText {
  int first_line = 1;  // of the file
  std::string text;    // without the `---` line
};

std::vector<DocumentText> split_documents(std::string_view text);
Result<nlohmann::json> parse_yaml(const std::string& text);  // error: syntax_error
std::string to_yaml(const nlohmann::json& value);

}  // namespace keelson::lab
