#include "lab_yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace keelson::lab {
namespace {

using nlohmann::json;

json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted: a string whatever it looks like
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  if (text == "true") return true;
  if (text == "false") return false;
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  return text;
}

json convert(const YAML::Node& node) {
  if (node.IsScalar()) return scalar(node);
  if (node.IsSequence()) {
    json list = json::array();
    for (const YAML::Node& item : node) list.push_back(convert(item));
    return list;
  }
  if (!node.IsMap()) return nullptr;
  json map = json::object();
  for (const auto& entry : node) map[entry.first.as<std::string>()] = convert(entry.second);
  return map;
}

void write(const json& value, int indent, std::string& to);

void write_map(const json& map, int indent, std::string& to) {
  bool is_first = true;
  for (const auto& [key, value] : map.items()) {
    if (!is_first) to.append(static_cast<size_t>(indent), ' ');
    is_first = false;
    to += json(key).dump() + ":";
    bool is_block = value.is_structured() && !value.empty();
    to += is_block ? "\n" + std::string(static_cast<size_t>(indent) + 2, ' ') : " ";
    write(value, indent + 2, to);
  }
}

// Writes from the current column, which is `indent`, and ends the line.
void write(const json& value, int indent, std::string& to) {
  if (!value.is_structured() || value.empty()) {
    to += value.dump() + "\n";
  } else if (value.is_object()) {
    write_map(value, indent, to);
  } else {
    for (size_t i = 0; i < value.size(); ++i) {
      if (i != 0) to.append(static_cast<size_t>(indent), ' ');
      to += "- ";
      write(value[i], indent + 2, to);
    }
  }
}

}  // namespace

std::vector<DocumentText> split_documents(std::string_view text) {
  std::vector<DocumentText> documents(1);
  int line_number = 1;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line == "---" || line.substr(0, 4) == "--- ")
      documents.push_back({line_number + 1, ""});
    else
      documents.back().text += std::string(line) + "\n";
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
  }
  return documents;
}

Result<json> parse_yaml(const std::string& text) {
  try {
    return convert(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return fail(Reason::syntax_error, ErrorSource::kConfig,
                fmt::format("line {}: {}", error.mark.line + 1, error.msg));
  }
}

std::string to_yaml(const json& value) {
  std::string text;
  write(value, 0, text);
  return text;
}

}  // namespace keelson::lab
