// MessageHead and HeaderList: one HTTP message head, independent of the protocol version.
// Normal form: header names are lower case and in the order of arrival; what only concerns one hop
// (connection, transfer-encoding, content-length, host, upgrade, expect, …) is not in the list but
// in the fields below, so nothing downstream of a codec can disagree about framing or host.
// Plain values, no I/O, no thread of their own; views into a list live until it changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::http {

struct HeaderView {
  std::string_view name;   // lower case
  std::string_view value;  // without surrounding whitespace
  friend bool operator==(const HeaderView&, const HeaderView&) = default;
};

class HeaderList {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = HeaderView;
    using difference_type = std::ptrdiff_t;
    using pointer = const HeaderView*;
    using reference = HeaderView;
    Iterator(const HeaderList& list, size_t index) noexcept : list_(&list), index_(index) {}
    HeaderView operator*() const noexcept { return (*list_)[index_]; }
    Iterator& operator++() noexcept {
      index_++;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
      return a.index_ == b.index_;
    }

   private:
    const HeaderList* list_;
    size_t index_;
  };

  size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  HeaderView operator[](size_t index) const noexcept;
  Iterator begin() const noexcept { return {*this, 0}; }
  Iterator end() const noexcept { return {*this, entries_.size()}; }

  // Appends; the name is lower-cased, the value taken as it is. Both may point into this list.
  void add(std::string_view name, std::string_view value);
  // The same for a field that its codec has judged: the name a token that concerns more than one
  // hop, no control character in the value.
  void add_sound(std::string_view name, std::string_view value);
  // All of them were added so: a writer need not judge them again.
  bool is_sound() const noexcept { return is_sound_; }
  // Replaces every value of `name` by one, at the place of the first.
  void set(std::string_view name, std::string_view value);
  size_t remove(std::string_view name);
  void clear() noexcept;

  // Lookups ignore case. first(): nothing when absent, which differs from an empty value.
  std::optional<std::string_view> first(std::string_view name) const noexcept;
  size_t count(std::string_view name) const noexcept;
  bool contains(std::string_view name) const noexcept { return first(name).has_value(); }
  // All values of `name` joined by ", " (RFC 9110 section 5.3); policy matches this, not first().
  std::optional<std::string> joined(std::string_view name) const;
  // Bytes of all names and values.
  size_t bytes() const noexcept { return bytes_; }

  friend bool operator==(const HeaderList& a, const HeaderList& b) noexcept;

 private:
  struct Entry {
    uint32_t name_at, name_length, value_at, value_length;
  };
  bool name_is(const Entry& entry, std::string_view name) const noexcept;

  std::string text_;  // names and values back to back: two allocations for a whole list
  std::vector<Entry> entries_;
  size_t bytes_ = 0;
  bool is_sound_ = true;
};

enum class Version : uint8_t { kHttp10, kHttp11, kHttp2 };

struct MessageHead {
  Version version = Version::kHttp11;

  // Requests.
  std::string method;  // case-sensitive token
  std::string scheme;  // "http", "https", or empty when the request did not say (origin form)
  std::string
      authority;       // host[:port], lower case, no user info; from Host, absolute form or CONNECT
  std::string target;  // "/path?query" or "*"; empty for CONNECT; raw, never decoded

  // Responses.
  uint16_t status = 0;  // 100..599; 0: this is a request

  HeaderList headers;
  std::optional<uint64_t>
      content_length;   // as declared; for HEAD and 304 it describes no body here
  std::string upgrade;  // protocol of an Upgrade that Connection names; empty: none
  bool expects_continue = false;

  bool is_request() const noexcept { return status == 0; }
  std::string_view path() const noexcept;   // target up to '?'
  std::string_view query() const noexcept;  // behind '?', empty when there is none
  void clear() noexcept;                    // keeps the memory for the next message
  friend bool operator==(const MessageHead&, const MessageHead&) = default;
};

enum class EndOfMessage : bool { kNo, kYes };

// "OK" for 200; empty for a status without a registered phrase.
std::string_view reason_phrase(uint16_t status) noexcept;

// Case-insensitive comparison of ASCII text, as for header names and tokens.
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;

}  // namespace keelson::http
