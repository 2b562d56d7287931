// Which header fields matter to the framing of HTTP/1, and which never pass a hop or a trailer.
// Pure, any thread. Values are judged by the parser.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson::http::h1 {

enum class Field : uint8_t {
  kEndToEnd,  // passes on unchanged
  kHost,
  kContentLength,
  kTransferEncoding,
  kConnection,
  kUpgrade,
  kExpect,
  kHopByHop,     // dropped: keep-alive, proxy-connection, te, http2-settings
  kImpersonator  // content_length, transfer_encoding: some servers read '_' as '-'
};

// Ignores case.
Field classify(std::string_view name) noexcept;

enum class TrailerRule : uint8_t { kKeep, kDrop, kRefuse };
// RFC 9110 section 6.5.1: fields for framing, routing, authentication and content handling mean
// nothing in a trailer; those that would change who or where are refused, the rest is dropped.
TrailerRule trailer_rule(std::string_view name) noexcept;

}  // namespace keelson::http::h1
