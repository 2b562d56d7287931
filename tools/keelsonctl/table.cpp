#include "keelsonctl/table.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace keelson::ctl {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  // 0: not UTF-8 here
};

// RFC 3629: shortest form only, no surrogates, at most U+10FFFF.
CodePoint decode(std::string_view text) noexcept {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
  uint32_t value = first & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kSmallest[length] || value > 0x10ffff || surrogate) return {};
  return {value, length};
}

bool steers_terminal(uint32_t value) noexcept {
  return value < 0x20 || (value >= 0x7f && value <= 0x9f) ||  // C0, DEL, C1
         (value >= 0x202a && value <= 0x202e) ||              // bidirectional embeddings, overrides
         (value >= 0x2066 && value <= 0x2069) || value == 0x200e || value == 0x200f ||
         value == 0x2028 || value == 0x2029;  // line and paragraph separator
}

std::string escape(const char* format, uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

std::string plain_text(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = decode(text);
    if (point.bytes == 0) {
      plain += escape("\\x%02x", static_cast<uint8_t>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (!steers_terminal(point.value))
      plain += text.substr(0, point.bytes);
    else
      plain += escape(point.value < 0x80 ? "\\x%02x" : "\\u%04x", point.value);
    text.remove_prefix(point.bytes);
  }
  return plain;
}

size_t display_width(std::string_view text) noexcept {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

std::string Style::paint(Color wanted, std::string_view text) const {
  std::string_view code;
  switch (wanted) {
    case Color::kNone:
      break;
    case Color::kGreen:
      code = "32";
      break;
    case Color::kYellow:
      code = "33";
      break;
    case Color::kRed:
      code = "31";
      break;
    case Color::kDim:
      code = "2";
      break;
    case Color::kBold:
      code = "1";
      break;
  }
  if (!color || code.empty()) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(header_.size());
  for (auto& cell : cells) cell = cell.empty() ? "-" : plain_text(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::text(const Style& style) const {
  std::vector<size_t> widths;
  for (const auto& title : header_) widths.push_back(display_width(title));
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string out;
    for (size_t i = 0; i < cells.size(); ++i) {
      out += cells[i];
      if (i + 1 < cells.size()) out.append(widths[i] - display_width(cells[i]) + 2, ' ');
    }
    return out;
  };
  std::string out = style.paint(Color::kBold, line(header_)) + "\n";
  for (const auto& row : rows_) out += line(row) + "\n";
  return out;
}

}  // namespace keelson::ctl
