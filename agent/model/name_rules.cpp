#include "model/name_rules.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace keelson::model {
namespace {

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// The name part of a label key, and a label value that is not empty.
bool is_qualified_name(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  if (!is_alnum(text.front()) || !is_alnum(text.back())) return false;
  return std::ranges::all_of(
      text, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

// Levenshtein, case ignored.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row.back();
}

}  // namespace

bool is_dns_label(std::string_view text) noexcept {
  if (text.empty() || text.size() > 63) return false;
  if (!is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  return std::ranges::all_of(text, [](char c) { return is_lower_alnum(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) noexcept {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    if (part.empty() || !is_lower_alnum(part.front()) || !is_lower_alnum(part.back())) return false;
    if (!std::ranges::all_of(part, [](char c) { return is_lower_alnum(c) || c == '-'; }))
      return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_label_key(std::string_view text) noexcept {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_qualified_name(text);
  return is_dns_subdomain(text.substr(0, slash)) && is_qualified_name(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) noexcept {
  return text.empty() || is_qualified_name(text);
}

bool is_port_name(std::string_view text) noexcept {
  return text.size() <= 15 && is_dns_label(text) && text.find("--") == std::string_view::npos &&
         std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

bool is_service_kind(std::string_view group, std::string_view kind) noexcept {
  return kind == "Service" && (group.empty() || group == "core");
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  // Two swapped letters are a distance of two.
  size_t best_distance = std::max<size_t>(word.size() < 4 ? 1 : 2, word.size() / 3) + 1;
  if (word.size() > 64) return best;
  for (const std::string_view candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace keelson::model
