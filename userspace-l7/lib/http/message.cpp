#include "http/message.h"

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace keelson::http {
namespace {

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// Room for a usual head at its first header: one allocation each, not one for every doubling.
constexpr size_t kFirstBytes = 480;
constexpr size_t kFirstEntries = 16;

struct Phrase {
  uint16_t status;
  std::string_view text;
};

constexpr auto kPhrases = std::to_array<Phrase>({
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
});

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

HeaderView HeaderList::operator[](size_t index) const noexcept {
  KS_ASSERT(index < entries_.size());
  const Entry& entry = entries_[index];
  const std::string_view text(text_);
  return {text.substr(entry.name_at, entry.name_length),
          text.substr(entry.value_at, entry.value_length)};
}

void HeaderList::add(std::string_view name, std::string_view value) {
  is_sound_ = false;
  add_sound(name, value);
}

void HeaderList::add_sound(std::string_view name, std::string_view value) {
  const size_t needed = text_.size() + name.size() + value.size();
  KS_ASSERT(needed <= UINT32_MAX);
  std::string old;  // keeps views into this list alive while the text moves
  if (needed > text_.capacity()) {
    std::string larger;
    larger.reserve(std::max({needed, 2 * text_.capacity(), kFirstBytes}));
    larger += text_;
    old.swap(text_);
    text_.swap(larger);
  }
  if (entries_.capacity() == 0) entries_.reserve(kFirstEntries);
  const auto at = static_cast<uint32_t>(text_.size());
  const auto value_at = static_cast<uint32_t>(at + name.size());
  text_.append(name);
  for (size_t i = at; i < value_at; i++) text_[i] = lower(text_[i]);
  text_.append(value);
  entries_.push_back(
      {at, static_cast<uint32_t>(name.size()), value_at, static_cast<uint32_t>(value.size())});
  bytes_ += name.size() + value.size();
}

void HeaderList::set(std::string_view name, std::string_view value) {
  const std::string kept_name(name);
  const std::string kept_value(value);
  size_t place = 0;
  while (place < entries_.size() && !name_is(entries_[place], kept_name)) place++;
  remove(kept_name);
  add(kept_name, kept_value);
  if (place + 1 < entries_.size())
    std::rotate(entries_.begin() + static_cast<std::ptrdiff_t>(place), entries_.end() - 1,
                entries_.end());
}

size_t HeaderList::remove(std::string_view name) {
  const std::string kept_name(name);  // the caller's view may be of an entry that goes
  const size_t before = entries_.size();
  std::erase_if(entries_, [&](const Entry& entry) {
    if (!name_is(entry, kept_name)) return false;
    bytes_ -= entry.name_length + entry.value_length;
    return true;
  });
  return before - entries_.size();
}

void HeaderList::clear() noexcept {
  text_.clear();
  entries_.clear();
  bytes_ = 0;
  is_sound_ = true;
}

bool HeaderList::name_is(const Entry& entry, std::string_view name) const noexcept {
  return entry.name_length == name.size() &&
         equals_ignoring_case(std::string_view(text_).substr(entry.name_at, entry.name_length),
                              name);
}

std::optional<std::string_view> HeaderList::first(std::string_view name) const noexcept {
  for (const Entry& entry : entries_)
    if (name_is(entry, name))
      return std::string_view(text_).substr(entry.value_at, entry.value_length);
  return std::nullopt;
}

size_t HeaderList::count(std::string_view name) const noexcept {
  return static_cast<size_t>(std::count_if(
      entries_.begin(), entries_.end(), [&](const Entry& entry) { return name_is(entry, name); }));
}

std::optional<std::string> HeaderList::joined(std::string_view name) const {
  std::optional<std::string> all;
  for (const Entry& entry : entries_) {
    if (!name_is(entry, name)) continue;
    if (all)
      *all += ", ";
    else
      all.emplace();
    all->append(text_, entry.value_at, entry.value_length);
  }
  return all;
}

bool operator==(const HeaderList& a, const HeaderList& b) noexcept {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++)
    if (a[i] != b[i]) return false;
  return true;
}

std::string_view MessageHead::path() const noexcept {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view MessageHead::query() const noexcept {
  const size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

void MessageHead::clear() noexcept {
  version = Version::kHttp11;
  method.clear();
  scheme.clear();
  authority.clear();
  target.clear();
  status = 0;
  headers.clear();
  content_length.reset();
  upgrade.clear();
  expects_continue = false;
}

std::string_view reason_phrase(uint16_t status) noexcept {
  for (const Phrase& phrase : kPhrases)
    if (phrase.status == status) return phrase.text;
  return {};
}

}  // namespace keelson::http
