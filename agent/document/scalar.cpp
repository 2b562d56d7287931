#include "document/scalar.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace keelson::document {
namespace {

constexpr std::array<std::string_view, 11> kTrue = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                                    "True", "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 11> kFalse = {"n",     "N",     "no",  "No",  "NO", "false",
                                                     "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 4> kNotFinite = {".inf", ".Inf", ".INF", ".nan"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

size_t skip_digits(std::string_view text, size_t at) {
  while (at < text.size() && (is_digit(text[at]) || text[at] == '_')) ++at;
  return at;
}

bool is_prefixed_integer(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') return false;
  const std::string_view digits = text.substr(2);
  const auto all = [digits](std::string_view allowed) {
    return digits.find_first_not_of(allowed) == std::string_view::npos;
  };
  switch (text[1]) {
    case 'x':
    case 'X':
      return all("0123456789abcdefABCDEF_");
    case 'o':
      return all("01234567_");
    case 'b':
      return all("01_");
    default:
      return false;
  }
}

// [-+]? digits [. digits] [e [-+] digits], with a digit before or after the point.
bool is_number(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (std::ranges::find(kNotFinite, text) != kNotFinite.end()) return true;
  if (is_prefixed_integer(text)) return true;
  if (text.empty() || !(is_digit(text[0]) || text[0] == '.')) return false;
  size_t at = skip_digits(text, 0);
  bool any = at > 0;
  if (at < text.size() && text[at] == '.') {
    const size_t after = skip_digits(text, at + 1);
    any = any || after > at + 1;
    at = after;
  }
  if (!any) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const size_t after = skip_digits(text, at);
    if (after == at) return false;
    at = after;
  }
  return at == text.size();
}

}  // namespace

Value plain_scalar(std::string text, uint32_t line) {
  if (std::ranges::find(kTrue, text) != kTrue.end())
    return Value::boolean(true, std::move(text), line);
  if (std::ranges::find(kFalse, text) != kFalse.end())
    return Value::boolean(false, std::move(text), line);
  if (is_number(text)) return Value::number(std::move(text), line);
  return Value::string(std::move(text), line);
}

}  // namespace keelson::document
