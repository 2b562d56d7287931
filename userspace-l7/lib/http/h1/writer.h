// Writer functions: HTTP/1.1 messages as bytes, built from parsed form only. Exactly one framing
// field is written, taken from `body`; hop-by-hop fields in the list are skipped. Everything is
// checked again, so a head that came from HTTP/2 or a filter cannot smuggle a line
// (http_bad_message). All or nothing: on an error `to` is unchanged. Pure but for the buffer, one
// thread. Knows no connection state: see connection.h.
#pragma once

#include "base/buffer_chain.h"
#include "base/result.h"
#include "http/h1/parser.h"
#include "http/message.h"

namespace keelson::http::h1 {

enum class Persistence : uint8_t {
  kDefault,   // HTTP/1.1 stays open without saying so
  kClose,     // connection: close
  kKeepAlive  // connection: keep-alive, which an HTTP/1.0 peer needs to hear
};

// `head.is_request()` decides which start line is written. kLength needs head.content_length.
// A head with kNone may carry content_length for HEAD and 304, where it describes no body here.
Result<void> write_head(BufferChain& to, const MessageHead& head, BodyKind body,
                        Persistence persistence = Persistence::kDefault);

// Moves the first `bytes` of `from` behind `to` as one chunk; nothing when there are none.
Result<void> write_chunk(BufferChain& to, BufferChain& from, size_t bytes);

// The last chunk, with trailers; those that may not be trailers are skipped.
Result<void> write_last_chunk(BufferChain& to, const HeaderList* trailers);

// Writes the body of one message under the head's framing; keeps count of the declared length.
class BodyWriter {
 public:
  void begin(BodyKind body, uint64_t content_length) noexcept;
  // Moves up to `bytes_max` bytes of `from` behind `to`; returns how many.
  // Error: http_body_mismatch when there are more than declared, or none are allowed.
  Result<size_t> write(BufferChain& to, BufferChain& from, size_t bytes_max);
  // Error: http_body_mismatch when bytes are missing. Trailers need chunked; else they are dropped.
  Result<void> end(BufferChain& to, const HeaderList* trailers);

 private:
  BodyKind body_ = BodyKind::kNone;
  uint64_t left_ = 0;
};

}  // namespace keelson::http::h1
