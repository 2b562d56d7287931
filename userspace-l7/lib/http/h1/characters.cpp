#include "http/h1/characters.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace keelson::http::h1 {
namespace {

enum : uint8_t { kToken = 1, kTarget = 2, kHost = 4 };

constexpr bool is_alphanumeric(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr std::array<uint8_t, 256> make_classes() noexcept {
  std::array<uint8_t, 256> classes{};
  for (unsigned i = 0x21; i < 0x7f; i++) {
    const char c = static_cast<char>(i);
    uint8_t bits = 0;
    if (is_alphanumeric(c)) bits = kToken | kTarget | kHost;
    if (std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos) bits |= kToken;
    if (std::string_view("#\\\"<>").find(c) == std::string_view::npos) bits |= kTarget;
    if (std::string_view("-._").find(c) != std::string_view::npos) bits |= kHost;
    classes[i] = bits;
  }
  return classes;
}

constexpr auto kClasses = make_classes();

bool all_in_class(std::string_view text, uint8_t wanted) noexcept {
  uint8_t common = wanted;
  for (const char c : text) common &= kClasses[static_cast<uint8_t>(c)];
  return common != 0 && !text.empty();
}

bool is_value_character(char c) noexcept {
  const auto byte = static_cast<uint8_t>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

// True when one of the eight bytes may be a control character or DEL; never false for one.
bool may_hold_control(uint64_t word) noexcept {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = kOnes * 0x80;
  const uint64_t below_space = (word - kOnes * 0x20) & ~word & kHigh;
  const uint64_t no_del = word ^ (kOnes * 0x7f);
  const uint64_t is_del = (no_del - kOnes) & ~no_del & kHigh;
  return (below_space | is_del) != 0;
}

bool is_port(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5) return false;
  unsigned port = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port <= 65535;
}

bool is_ipv6_text(std::string_view text) noexcept {
  return text.size() >= 2 && text.size() <= 45 && std::all_of(text.begin(), text.end(), [](char c) {
           return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
                  c == '.';
         });
}

bool is_authority_form(std::string_view text, bool port_required) noexcept {
  size_t host_end;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6_text(text.substr(1, close - 1))) return false;
    host_end = close + 1;
  } else {
    host_end = std::min(text.find(':'), text.size());
    if (!all_in_class(text.substr(0, host_end), kHost)) return false;
  }
  if (host_end == text.size()) return !port_required;
  return text[host_end] == ':' && is_port(text.substr(host_end + 1));
}

// Length of the quoted-string at the start of `text`, 0 when there is none.
size_t quoted_length(std::string_view text) noexcept {
  for (size_t i = 1; i < text.size(); i++) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\' && ++i == text.size()) return 0;
    if (!is_value_character(text[i])) return 0;
  }
  return 0;
}

size_t token_length(std::string_view text) noexcept {
  size_t length = 0;
  while (length < text.size() && (kClasses[static_cast<uint8_t>(text[length])] & kToken) != 0)
    length++;
  return length;
}

}  // namespace

bool is_token(std::string_view text) noexcept {
  return all_in_class(text, kToken);
}
bool is_target_text(std::string_view text) noexcept {
  return all_in_class(text, kTarget);
}
bool is_authority(std::string_view text) noexcept {
  return is_authority_form(text, false);
}
bool is_host_and_port(std::string_view text) noexcept {
  return is_authority_form(text, true);
}

bool is_field_value(std::string_view text) noexcept {
  const auto is_fine = [](std::string_view part) {
    return std::all_of(part.begin(), part.end(), [](char c) { return is_value_character(c); });
  };
  if (text.size() < 8) return is_fine(text);
  // Words of eight; the last one overlaps the one before.
  for (size_t at = 0; at < text.size(); at += 8) {
    const std::string_view part = text.substr(std::min(at, text.size() - 8), 8);
    uint64_t word;
    std::memcpy(&word, part.data(), sizeof word);
    if (may_hold_control(word) && !is_fine(part)) return false;
  }
  return true;
}

bool is_chunk_extension(std::string_view text) noexcept {
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text.remove_prefix(1);
    const size_t name = token_length(text);
    if (name == 0) return false;
    text.remove_prefix(name);
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    const size_t value = text.starts_with('"') ? quoted_length(text) : token_length(text);
    if (value == 0) return false;
    text.remove_prefix(value);
  }
  return true;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace keelson::http::h1
