#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "model/decode_http.h"

namespace keelson::model {
namespace {

using config::FieldMatch;
using config::PathMatch;
using config::RequestMatch;
using config::TextMatch;
using document::Value;

// HTTPRouteSpec v1.
constexpr size_t kMatchesMax = 64;
constexpr size_t kFieldMatchesMax = 16;
constexpr size_t kPathLengthMax = 1024;
constexpr size_t kHeaderValueMax = 4096;
constexpr size_t kQueryValueMax = 1024;
// RE2 never backtracks, but a large program costs memory in every proxy: x{1000}{1000} and the
// like are refused. Ordinary patterns need some hundreds.
constexpr int kRegexProgramMax = 4096;

constexpr auto kMethods = std::to_array<std::string_view>(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"});

void check_regex(FieldReader& owner, const std::string& pattern) {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  const RE2 compiled(pattern, options);
  const uint32_t line = owner.find("value")->line();
  if (!compiled.ok())
    owner.refuse(Reason::bad_value, line, "value",
                 "is not a regular expression: " + compiled.error(),
                 "write it in RE2 syntax; it must match the whole text");
  else if (compiled.ProgramSize() > kRegexProgramMax)
    owner.refuse(Reason::bad_value, line, "value", "is too large a regular expression",
                 "repeat less, or split it into several matches");
}

bool is_path_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("/-._~!$&'()*+,;=:@%").find(c) != std::string_view::npos;
}

// Why no normalised request path can equal or start with `path`; empty: one can.
std::string_view path_problem(std::string_view path) {
  if (!path.starts_with('/')) return "must start with '/'";
  for (const std::string_view part : {"//", "/./", "/../", "%2f", "%2F"})
    if (path.find(part) != std::string_view::npos)
      return "must not contain '//', '/./', '/../' or '%2f'";
  if (path.ends_with("/.") || path.ends_with("/..")) return "must not end in '/.' or '/..'";
  if (!std::ranges::all_of(path, is_path_byte)) return "has a character that no path has";
  const auto is_hex = [](char c) {
    return std::string_view("0123456789abcdefABCDEF").find(c) != std::string_view::npos;
  };
  for (size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1))
    if (at + 2 >= path.size() || !is_hex(path[at + 1]) || !is_hex(path[at + 2]))
      return "has a '%' that is not followed by two hexadecimal digits";
  return {};
}

void decode_path(FieldReader& reader, RequestMatch& match) {
  const std::string type = reader.string("type").value_or("PathPrefix");
  match.path = reader.string("value").value_or("/");
  reader.refuse_unknown();
  const uint32_t line = reader.has("value") ? reader.find("value")->line() : reader.line();
  if (match.path.size() > kPathLengthMax)
    reader.refuse(Reason::bad_value, line, "value", "is longer than 1024 bytes", "shorten it");
  if (type == "RegularExpression") {
    match.path_kind = PathMatch::kRegex;
    if (reader.has("value")) check_regex(reader, match.path);
    return;
  }
  if (type != "Exact" && type != "PathPrefix") {
    reader.refuse(Reason::bad_value, reader.find("type")->line(), "type",
                  "'" + type + "' is not a path match",
                  "use Exact, PathPrefix or RegularExpression");
    return;
  }
  if (const auto problem = path_problem(match.path); !problem.empty())
    reader.refuse(Reason::bad_value, line, "value", "'" + match.path + "' " + std::string(problem),
                  "write the path as it is after normalisation, like /cart/items");
  match.path_kind = type == "Exact" ? PathMatch::kExact : PathMatch::kPrefix;
  // A prefix is of whole elements: "/v2/" says the same as "/v2", and ranks the same.
  if (type == "PathPrefix" && match.path.size() > 1 && match.path.ends_with('/'))
    match.path.pop_back();
}

std::optional<FieldMatch> decode_field_match(FieldReader& reader, bool is_header) {
  FieldMatch match;
  const auto name = decode_field_name(reader, "name");
  const auto value = decode_text(reader, "value", is_header ? kHeaderValueMax : kQueryValueMax);
  const std::string type = reader.string("type").value_or("Exact");
  reader.refuse_unknown();
  if (type == "RegularExpression")
    match.kind = TextMatch::kRegex;
  else if (type != "Exact")
    reader.refuse(Reason::bad_value, reader.find("type")->line(), "type",
                  "'" + type + "' is not a match type", "use Exact or RegularExpression");
  if (!name || !value) return std::nullopt;
  if (match.kind == TextMatch::kRegex) check_regex(reader, *value);
  match.name = is_header ? lower_case(*name) : *name;
  match.value = *value;
  return match;
}

std::vector<FieldMatch> decode_field_matches(FieldReader& owner, std::string_view field,
                                             bool is_header) {
  std::vector<FieldMatch> matches;
  const auto* items = decode_list(owner, field, kFieldMatchesMax);
  for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
    FieldReader reader(owner.context(), (*items)[i], owner.item_path(field, i));
    auto match = decode_field_match(reader, is_header);
    if (!match) continue;
    // Gateway API: of entries with one name only the first counts.
    if (std::ranges::find(matches, match->name, &FieldMatch::name) != matches.end())
      owner.context().warn(Reason::bad_value, reader.line(),
                           reader.path() + " is ignored: '" + match->name + "' stands before",
                           "remove it, or write one regular expression");
    else
      matches.push_back(std::move(*match));
  }
  return matches;
}

RequestMatch decode_match(FieldReader& reader) {
  RequestMatch match;
  if (auto path = reader.mapping("path")) decode_path(*path, match);
  match.headers = decode_field_matches(reader, "headers", true);
  match.query = decode_field_matches(reader, "queryParams", false);
  match.method = reader.string("method").value_or("");
  if (reader.has("method") && std::ranges::find(kMethods, match.method) == kMethods.end() &&
      !reader.find("method")->is_null())
    reader.refuse(Reason::bad_value, reader.find("method")->line(), "method",
                  "'" + match.method + "' is not a method", "write it in capitals, like GET");
  reader.refuse_unknown();
  return match;
}

}  // namespace

std::vector<RequestMatch> decode_matches(FieldReader& rule) {
  std::vector<RequestMatch> matches;
  const auto* items = decode_list(rule, "matches", kMatchesMax);
  for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
    FieldReader reader(rule.context(), (*items)[i], rule.item_path("matches", i));
    matches.push_back(decode_match(reader));
  }
  if (matches.empty()) matches.emplace_back();
  return matches;
}

bool is_safe_text(std::string_view text) noexcept {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

std::optional<std::string> decode_text(FieldReader& owner, std::string_view field,
                                       size_t length_max) {
  auto text = owner.string(field);
  const Value* value = owner.find(field);
  if (value == nullptr || value->is_null()) {
    owner.refuse(Reason::missing_field, owner.line(), field, "is missing", "add it");
    return std::nullopt;
  }
  if (!text) return std::nullopt;
  if (text->empty() || text->size() > length_max)
    owner.refuse(Reason::bad_value, value->line(), field,
                 text->empty() ? "is empty" : "is too long",
                 "use 1 to " + std::to_string(length_max) + " bytes");
  else if (!is_safe_text(*text))
    owner.refuse(Reason::bad_value, value->line(), field, "has a line break or NUL in it",
                 "remove it");
  return text;
}

std::optional<std::string> decode_field_name(FieldReader& owner, std::string_view field) {
  const auto is_token_byte = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  auto name = decode_text(owner, field, 256);
  if (name && !std::ranges::all_of(*name, is_token_byte))
    owner.refuse(Reason::bad_value, owner.find(field)->line(), field,
                 "'" + *name + "' is not a valid name", "use letters, digits and '-'");
  return name;
}

const std::vector<Value>* decode_list(FieldReader& owner, std::string_view field,
                                      size_t count_max) {
  const auto* items = owner.list(field);
  if (items == nullptr) return nullptr;
  for (size_t i = 0; i < items->size(); ++i)
    if ((*items)[i].is_null())
      owner.context().refuse(Reason::wrong_type, (*items)[i].line(),
                             owner.item_path(field, i) + " is null", "write {} or remove it");
  if (items->size() <= count_max) return items;
  owner.refuse(Reason::bad_value, owner.find(field)->line(), field,
               "has " + std::to_string(items->size()) + " items",
               "use at most " + std::to_string(count_max));
  return nullptr;
}

}  // namespace keelson::model
