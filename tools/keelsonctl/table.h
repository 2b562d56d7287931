// Table: rows of text cells with aligned columns, never truncated; plain_text makes data from
// elsewhere safe to print; Style knows which marks and colours the output can show. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::ctl {

// Control characters (C0, DEL, C1), bidirectional overrides and bytes that are not UTF-8 become
// visible escapes such as \x1b: a name or a message must not steer the terminal.
std::string plain_text(std::string_view text);

// Columns a terminal needs for UTF-8 text: one a code point, which holds for all we print.
size_t display_width(std::string_view text) noexcept;

enum class Color { kNone, kGreen, kYellow, kRed, kDim, kBold };

struct Style {
  bool color = false;
  std::string paint(Color color, std::string_view text) const;
};

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  // Cells are made safe here. Missing cells are empty; an empty cell is printed as "-".
  void add(std::vector<std::string> cells);
  bool empty() const noexcept { return rows_.empty(); }
  std::string text(const Style& style) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace keelson::ctl
