// Percent-escapes (RFC 3986 section 2.1), for paths and queries. Pure, any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace keelson::proxy {

constexpr int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that "%hh" at `at` stands for; -1 when no escape is there.
constexpr int escaped_byte(std::string_view text, size_t at) noexcept {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  const int high = hex_value(text[at + 1]);
  const int low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

}  // namespace keelson::proxy
