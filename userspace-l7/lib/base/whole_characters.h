// whole_characters: the beginning of a text, at most `bytes_max` long, that ends with a whole
// character (UTF-8, RFC 3629): a JSON encoder would write three bytes for half of one. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keelson {

inline std::string whole_characters(std::string_view text, size_t bytes_max) {
  size_t end = text.size() < bytes_max ? text.size() : bytes_max;
  const auto continues = [&](size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  while (end > 0 && continues(end)) --end;
  return std::string(text.substr(0, end));
}

}  // namespace keelson
