#include "proxy/route/path.h"

#include <algorithm>

#include "proxy/route/escape.h"

namespace keelson::proxy {
namespace {

constexpr bool is_unreserved(int byte) noexcept {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

constexpr char upper_hex(char c) noexcept {
  return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
}

// Takes one character, escaped or not, from the front of `text`.
char take_decoded(std::string_view& text) noexcept {
  const int byte = escaped_byte(text, 0);
  const char c = byte < 0 ? text.front() : static_cast<char>(byte);
  text.remove_prefix(byte < 0 ? 1 : 3);
  return c;
}

constexpr bool ends_segment(char c) noexcept {
  return c == '/' || c == '\\' || c == ';';
}

}  // namespace

bool has_dot_segment(std::string_view path) noexcept {
  // Nearly every path ends here: no segment can begin with a dot.
  if (path.find('%') == std::string_view::npos && path.find("/.") == std::string_view::npos)
    return false;
  size_t length = 0;  // of the segment so far
  bool is_dots = true;
  while (!path.empty()) {
    const char c = take_decoded(path);
    if (ends_segment(c)) {
      if (is_dots && (length == 1 || length == 2)) return true;
      length = 0;
      is_dots = c != ';';  // what follows ';' is no segment
      continue;
    }
    length++;
    is_dots = is_dots && c == '.';
  }
  return is_dots && (length == 1 || length == 2);
}

std::optional<std::string> normal_escapes(std::string_view path) {
  size_t at = path.find('%');
  if (at == std::string_view::npos) return std::nullopt;
  std::string normal(path.substr(0, at));
  while (at < path.size()) {
    const int byte = escaped_byte(path, at);
    if (byte < 0) {
      normal += path[at++];
      continue;
    }
    if (is_unreserved(byte))
      normal += static_cast<char>(byte);
    else
      normal.append({'%', upper_hex(path[at + 1]), upper_hex(path[at + 2])});
    at += 3;
  }
  if (normal == path) return std::nullopt;
  return normal;
}

std::string_view without_trailing_slash(std::string_view prefix) noexcept {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix;
}

std::string_view behind_prefix(std::string_view path, std::string_view prefix) noexcept {
  prefix = without_trailing_slash(prefix);
  auto slashes = std::count(prefix.begin(), prefix.end(), '/');
  for (size_t at = 0; at < path.size(); at++)
    if (path[at] == '/' && slashes-- == 0) return path.substr(at);
  return {};
}

}  // namespace keelson::proxy
