#include "proxy/route/route_table.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "proxy/route/escape.h"
#include "proxy/route/path.h"

namespace keelson::proxy {
namespace {

using config::FieldMatch;
using config::PathMatch;
using config::RequestMatch;
using config::TextMatch;

// Tenants write regexes. The program's size bounds the time for a byte of input, should RE2's cache
// of states be full; both limits are those of the agent (model/decode_http_match.cpp).
constexpr int64_t kRegexBytesMax = 1 << 20;
constexpr int kRegexProgramMax = 4096;
constexpr uint32_t kNone = UINT32_MAX;

Failure unusable(std::string what) {
  return fail(Reason::route_unusable, ErrorSource::kConfig, std::move(what));
}

Result<std::unique_ptr<const re2::RE2>> compile(const std::string& pattern) {
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(kRegexBytesMax);
  options.set_dot_nl(true);  // a decoded query may hold a newline, which must not end a `.*`
  auto regex = std::make_unique<const re2::RE2>(pattern, options);
  if (!regex->ok()) return unusable("regex '" + pattern + "': " + regex->error());
  if (regex->ProgramSize() > kRegexProgramMax)
    return unusable("regex '" + pattern + "' is too large");
  return regex;
}

bool regex_matches(const re2::RE2& regex, std::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), regex);
}

void assign_lower(std::string& text) noexcept {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
}

// One character of a form's name or value (WHATWG URL, application/x-www-form-urlencoded).
char take_decoded(std::string_view& text) noexcept {
  const int byte = escaped_byte(text, 0);
  const char c = byte >= 0 ? static_cast<char>(byte) : text[0] == '+' ? ' ' : text[0];
  text.remove_prefix(byte >= 0 ? 3 : 1);
  return c;
}

bool decodes_to(std::string_view raw, std::string_view wanted) noexcept {
  while (!raw.empty()) {
    if (wanted.empty() || take_decoded(raw) != wanted.front()) return false;
    wanted.remove_prefix(1);
  }
  return wanted.empty();
}

// The raw value of the first parameter of that name.
std::optional<std::string_view> parameter(std::string_view query, std::string_view name) noexcept {
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    const size_t equals = std::min(part.find('='), part.size());
    if (!part.empty() && decodes_to(part.substr(0, equals), name))
      return part.substr(std::min(equals + 1, part.size()));
  }
  return std::nullopt;
}

// HeaderList::joined() == wanted, without building it.
bool joined_equals(const http::HeaderList& headers, std::string_view name,
                   std::string_view wanted) noexcept {
  bool is_first = true;
  for (const http::HeaderView header : headers) {
    if (header.name != name) continue;
    if (!is_first && !wanted.starts_with(", ")) return false;
    if (!is_first) wanted.remove_prefix(2);
    if (!wanted.starts_with(header.value)) return false;
    wanted.remove_prefix(header.value.size());
    is_first = false;
  }
  return !is_first && wanted.empty();
}

}  // namespace

RouteTable::RouteTable(std::shared_ptr<const config::RouteSet> set) : set_(std::move(set)) {}
RouteTable::~RouteTable() = default;

// ---- building ----------------------------------------------------------------------------------

Result<std::shared_ptr<const RouteTable>> RouteTable::build(
    std::shared_ptr<const config::RouteSet> set) {
  const std::shared_ptr<RouteTable> table(new RouteTable(std::move(set)));
  table->entries_.reserve(table->set_->entries.size());
  for (const config::RouteEntry& entry : table->set_->entries) {
    if (entry.rule >= table->set_->rules.size())
      return unusable("an entry names rule " + std::to_string(entry.rule) + ", which is not there");
    if (auto added = table->add_entry(entry); !added) {
      Error error = std::move(added).error();
      error.context = "rule " + table->set_->rules[entry.rule].name + ": " + error.context;
      return Failure(std::move(error));
    }
  }
  std::sort(table->prefix_lengths_.begin(), table->prefix_lengths_.end(), std::greater<>());
  const auto same = std::unique(table->prefix_lengths_.begin(), table->prefix_lengths_.end());
  table->prefix_lengths_.erase(same, table->prefix_lengths_.end());
  return table;
}

Result<void> RouteTable::add_entry(const config::RouteEntry& source) {
  Entry entry;
  entry.method = source.match.method;
  for (const bool is_header : {true, false}) {
    std::vector<Field>& fields = is_header ? entry.headers : entry.query;
    for (const FieldMatch& match : is_header ? source.match.headers : source.match.query) {
      KS_ASSIGN(Field field, make_field(match, is_header));
      const bool is_known = std::any_of(fields.begin(), fields.end(), [&](const Field& other) {
        return other.name == field.name;
      });
      if (!is_known) fields.push_back(std::move(field));
    }
  }
  if (source.match.path_kind == PathMatch::kRegex) {
    KS_ASSIGN(entry.path, compile(source.match.path));
  }
  KS_TRY(add_path(source.match, static_cast<uint32_t>(entries_.size())));
  entries_.push_back(std::move(entry));
  return {};
}

Result<void> RouteTable::add_path(const RequestMatch& match, uint32_t index) {
  if (match.path_kind == PathMatch::kRegex) {
    regex_.push_back(index);
    return {};
  }
  if (!match.path.starts_with('/'))
    return unusable("path '" + match.path + "' does not begin with '/'");
  std::string path = normal_escapes(match.path).value_or(match.path);
  if (match.path_kind == PathMatch::kExact) {
    exact_[std::move(path)].push_back(index);
    return {};
  }
  path.resize(without_trailing_slash(path).size());
  prefix_lengths_.push_back(static_cast<uint32_t>(path.size()));
  prefix_[std::move(path)].push_back(index);
  return {};
}

Result<RouteTable::Field> RouteTable::make_field(const FieldMatch& source, bool is_header) {
  Field field{Source::kHeaders, source.name, source.value, nullptr};
  std::string pattern = source.value;
  if (is_header) {
    assign_lower(field.name);
    if (field.name == "host") {
      field.source = Source::kAuthority;
      assign_lower(field.value);
      pattern.insert(0, "(?i)");
    } else if (field.name == "upgrade") {
      field.source = Source::kUpgrade;
    } else if (field.name == "expect") {
      field.source = Source::kExpect;
    } else if (field.name == "content-length") {
      field.source = Source::kContentLength;
    }
  }
  if (source.kind == TextMatch::kRegex) {
    KS_ASSIGN(field.regex, compile(pattern));
  }
  return field;
}

// ---- matching ----------------------------------------------------------------------------------

std::optional<RouteTable::Match> RouteTable::match(
    const http::MessageHead& request) const noexcept {
  const std::string_view raw = request.path();
  if (has_dot_segment(raw)) return std::nullopt;
  const std::optional<std::string> normal = normal_escapes(raw);
  const uint32_t best = find(normal ? std::string_view(*normal) : raw, request);
  if (best == kNone) return std::nullopt;
  const config::RouteEntry& entry = set_->entries[best];
  return Match{&set_->rules[entry.rule], &entry.match};
}

uint32_t RouteTable::find(std::string_view path, const http::MessageHead& request) const {
  uint32_t best = kNone;
  if (!exact_.empty()) {
    const auto found = exact_.find(path);
    if (found != exact_.end()) narrow(found->second, request, best);
  }
  for (const uint32_t length : prefix_lengths_) {
    const bool ends_element =
        length == 0 || length == path.size() || (length < path.size() && path[length] == '/');
    if (!ends_element) continue;
    const auto found = prefix_.find(path.substr(0, length));
    if (found != prefix_.end()) narrow(found->second, request, best);
  }
  for (const uint32_t index : regex_) {
    if (index >= best) break;
    if (rest_matches(entries_[index], request) && regex_matches(*entries_[index].path, path))
      best = index;
  }
  return best;
}

// The first candidate that matches replaces `best` unless it comes later in the set.
void RouteTable::narrow(const Indices& candidates, const http::MessageHead& request,
                        uint32_t& best) const {
  for (const uint32_t index : candidates) {
    if (index >= best) return;
    if (!rest_matches(entries_[index], request)) continue;
    best = index;
    return;
  }
}

bool RouteTable::rest_matches(const Entry& entry, const http::MessageHead& request) const {
  if (!entry.method.empty() && entry.method != request.method) return false;
  for (const Field& field : entry.headers)
    if (!header_matches(field, request)) return false;
  if (entry.query.empty()) return true;
  const std::string_view query = request.query();
  return std::all_of(entry.query.begin(), entry.query.end(),
                     [&](const Field& field) { return query_matches(field, query); });
}

bool RouteTable::header_matches(const Field& field, const http::MessageHead& request) {
  const auto text_matches = [&](std::string_view text) {
    return field.regex ? regex_matches(*field.regex, text) : text == field.value;
  };
  switch (field.source) {
    case Source::kAuthority:
      return !request.authority.empty() && text_matches(request.authority);
    case Source::kUpgrade:
      return !request.upgrade.empty() && text_matches(request.upgrade);
    case Source::kExpect:
      return request.expects_continue && text_matches("100-continue");
    case Source::kContentLength: {
      if (!request.content_length) return false;
      char digits[20];
      const auto end = std::to_chars(digits, digits + sizeof digits, *request.content_length).ptr;
      return text_matches({digits, static_cast<size_t>(end - digits)});
    }
    case Source::kHeaders:
      break;
  }
  if (!field.regex) return joined_equals(request.headers, field.name, field.value);
  const std::optional<std::string_view> first = request.headers.first(field.name);
  if (!first) return false;
  if (request.headers.count(field.name) == 1) return regex_matches(*field.regex, *first);
  return regex_matches(*field.regex, *request.headers.joined(field.name));
}

bool RouteTable::query_matches(const Field& field, std::string_view query) {
  const std::optional<std::string_view> raw = parameter(query, field.name);
  if (!raw) return false;
  if (!field.regex) return decodes_to(*raw, field.value);
  if (raw->find_first_of("%+") == std::string_view::npos) return regex_matches(*field.regex, *raw);
  std::string decoded;
  for (std::string_view rest = *raw; !rest.empty();) decoded += take_decoded(rest);
  return regex_matches(*field.regex, decoded);
}

}  // namespace keelson::proxy
