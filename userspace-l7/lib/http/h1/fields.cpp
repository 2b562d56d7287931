#include "http/h1/fields.h"

#include <algorithm>
#include <array>

#include "http/message.h"

namespace keelson::http::h1 {
namespace {

struct Known {
  std::string_view name;
  Field field;
};

constexpr auto kKnown = std::to_array<Known>({
    {"te", Field::kHopByHop},
    {"host", Field::kHost},
    {"expect", Field::kExpect},
    {"upgrade", Field::kUpgrade},
    {"connection", Field::kConnection},
    {"keep-alive", Field::kHopByHop},
    {"content-length", Field::kContentLength},
    {"content_length", Field::kImpersonator},
    {"http2-settings", Field::kHopByHop},
    {"proxy-connection", Field::kHopByHop},
    {"transfer-encoding", Field::kTransferEncoding},
    {"transfer_encoding", Field::kImpersonator},
});

constexpr uint32_t lengths_of_known() noexcept {
  uint32_t lengths = 0;
  for (const Known& known : kKnown) lengths |= 1u << known.name.size();
  return lengths;
}

constexpr uint32_t kKnownLengths = lengths_of_known();

constexpr auto kDroppedInTrailers = std::to_array<std::string_view>({
    "age",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "max-forwards",
    "pragma",
    "range",
    "retry-after",
    "trailer",
    "vary",
    "warning",
});

constexpr auto kRefusedInTrailers = std::to_array<std::string_view>({
    "authorization",
    "cookie",
    "forwarded",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
});

template <class List>
bool holds(const List& list, std::string_view name) noexcept {
  return std::any_of(list.begin(), list.end(),
                     [&](std::string_view item) { return equals_ignoring_case(item, name); });
}

}  // namespace

Field classify(std::string_view name) noexcept {
  // Most names have a length that no known one has: one test, no comparison.
  if (name.size() >= 32 || (kKnownLengths >> name.size() & 1) == 0) return Field::kEndToEnd;
  for (const Known& known : kKnown)
    if (known.name.size() == name.size() && equals_ignoring_case(known.name, name))
      return known.field;
  return Field::kEndToEnd;
}

TrailerRule trailer_rule(std::string_view name) noexcept {
  if (classify(name) != Field::kEndToEnd || holds(kRefusedInTrailers, name))
    return TrailerRule::kRefuse;
  return holds(kDroppedInTrailers, name) ? TrailerRule::kDrop : TrailerRule::kKeep;
}

}  // namespace keelson::http::h1
