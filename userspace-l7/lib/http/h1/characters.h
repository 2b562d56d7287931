// The character classes of RFC 9110 and 9112, as strict as they are written there, in one place so
// that parser and writer cannot disagree. Pure functions, any thread. Knows no header by name.
#pragma once

#include <string_view>

namespace keelson::http::h1 {

// token: 1*tchar (RFC 9110 section 5.6.2). Header names, methods, list elements.
bool is_token(std::string_view text) noexcept;
// Visible characters, obs-text, SP and HTAB; no other control, no CR, LF, NUL or DEL.
bool is_field_value(std::string_view text) noexcept;
// Characters of a request target: visible ASCII without '#' (a fragment never travels),
// backslash, quotes and angle brackets, which servers read in different ways.
bool is_target_text(std::string_view text) noexcept;
// host[:port]: letters, digits, '-', '.', '_' or a bracketed IPv6 address; port 1..5 digits and
// at most 65535. Stricter than RFC 3986: no user info, no percent-encoding, no commas.
bool is_authority(std::string_view text) noexcept;
// As is_authority, with the port required: what CONNECT names.
bool is_host_and_port(std::string_view text) noexcept;
// Chunk extensions (RFC 9112 section 7.1.1) without whitespace: *( ";" token [ "=" value ] ).
bool is_chunk_extension(std::string_view text) noexcept;

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
// Without the optional whitespace (SP, HTAB) on both ends.
std::string_view trim(std::string_view text) noexcept;

}  // namespace keelson::http::h1
