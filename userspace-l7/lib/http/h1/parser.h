// Parser: HTTP/1.0 and 1.1 messages out of bytes, strictly: what two implementations could read in
// two ways is refused with a named Reason, and the connection must end. No I/O, no thread of its
// own, no allocation per byte. A head is delivered at once and in normal form (http/message.h):
// framing, Host and hop-by-hop fields, those named by Connection too, are taken out of the list.
// It stops behind each message, so pipelined bytes stay with the caller. RFC 9112; the attack list
// it answers: docs and tests/unit/userspace-l7/lib/http/h1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/limits.h"
#include "base/result.h"
#include "http/message.h"

namespace keelson::http::h1 {

struct Limits {
  size_t head_bytes = kHttpHeadBytesMax;
  size_t headers = kHttpHeadersMax;
  size_t target_bytes = kHttpTargetBytesMax;
  size_t chunk_line_bytes = kHttpChunkLineBytesMax;
  size_t chunk_extension_bytes = kHttpChunkExtensionBytesMax;
  size_t trailer_bytes = kHttpTrailerBytesMax;
  int informational = kHttpInformationalMax;
};

enum class BodyKind : uint8_t {
  kNone,        // request without framing fields; answer to HEAD; 1xx, 204, 304
  kLength,      // Content-Length, possibly 0
  kChunked,     // may end with trailers
  kUntilClose,  // answers only: ends with the connection
  kTunnel       // CONNECT, or after 101: opaque bytes in both directions
};

class Sink {
 public:
  // The head may be moved from. 1xx answers (101 aside) come first, each through here alone.
  virtual void on_head(MessageHead& head, BodyKind body) = 0;
  // Never empty; without chunk framing.
  virtual void on_body(std::span<const std::byte> bytes) = 0;
  // Once a message; `trailers` may be moved from.
  virtual void on_end(HeaderList& trailers) = 0;

 protected:
  ~Sink() = default;
};

// What an answer's framing depends on (RFC 9112 section 6.3).
struct ResponseContext {
  bool to_head = false;
  bool to_connect = false;
  bool upgrade_requested = false;
};

// What is known of the current message once its head is delivered.
struct MessageInfo {
  Version version = Version::kHttp11;
  BodyKind body = BodyKind::kNone;
  uint16_t status = 0;
  bool keeps_alive = true;  // as far as the sender is concerned
  bool is_head = false;
  bool is_connect = false;
  bool has_upgrade = false;
  bool expects_continue = false;
};

class Parser {
 public:
  enum class Role : uint8_t { kRequests, kResponses };
  explicit Parser(Role role, const Limits& limits = {}) : role_(role), limits_(limits) {}

  // Takes bytes up to the end of the message and returns how many. Takes none when is_complete(),
  // or behind a CONNECT head until begin_tunnel(). After an error, every call fails with it.
  Result<size_t> feed(std::span<const std::byte> input, Sink& sink);
  // The peer's end of stream. Error: http_truncated inside a message.
  Result<void> finish(Sink& sink);

  // Forgets a complete message and waits for the next.
  void next() noexcept;
  void next(const ResponseContext& context) noexcept;
  // From now on every byte is body, until finish().
  void begin_tunnel() noexcept;

  bool is_complete() const noexcept { return state_ == State::kComplete; }
  // Nothing of the next message has arrived: closing here loses nothing.
  bool is_between_messages() const noexcept;
  const MessageInfo& info() const noexcept { return info_; }  // valid once the head is delivered

 private:
  // kStartLine -> kHeaderLine -> body states -> kComplete; kAwaitTunnel -> kTunnel; any -> kFailed.
  enum class State : uint8_t {
    kStartLine,
    kHeaderLine,
    kLengthBody,
    kChunkLine,
    kChunkData,
    kChunkEnd,  // the CRLF behind chunk data
    kTrailerLine,
    kUntilClose,
    kAwaitTunnel,
    kTunnel,
    kComplete,
    kFailed
  };

  // What the head said, before it is judged as a whole.
  struct Framing {
    bool has_content_length = false;
    bool has_transfer_encoding = false;
    bool has_host = false;
    bool has_several_upgrades = false;
    bool says_close = false;
    bool says_keep_alive = false;
    bool says_upgrade = false;
    uint64_t length = 0;
    size_t nominated_count = 0;
    std::string host;
    std::string upgrade;
    std::string nominated;  // "name,name," from Connection

    void clear() noexcept;  // keeps memory
  };

  bool is_request() const noexcept { return role_ == Role::kRequests; }
  Failure refuse(Reason reason, const char* why);

  Result<void> take_line(std::string_view text, size_t& at, std::string_view& line, bool& whole);
  size_t line_bytes_max() const noexcept;
  bool is_in_body() const noexcept;
  Result<void> on_line(std::string_view line, Sink& sink);
  Result<void> on_start_line(std::string_view line);
  Result<void> on_request_line(std::string_view line);
  Result<void> on_status_line(std::string_view line);
  Result<void> on_version(std::string_view text);
  Result<void> on_target(std::string_view target);
  Result<void> on_absolute_target(std::string_view hierarchical);
  Result<void> split_field(std::string_view line, Reason reason, HeaderView& field);
  Result<void> on_header_line(std::string_view line);
  Result<void> on_content_length(std::string_view value);
  Result<void> on_connection(std::string_view value);
  Result<void> on_expect(std::string_view value);
  Result<void> on_head_end(Sink& sink);
  Result<void> settle_host();
  void settle_hop_by_hop();
  Result<BodyKind> settle_request_body();
  Result<BodyKind> settle_response_body();
  Result<void> refuse_double_framing();
  Result<void> on_chunk_line(std::string_view line);
  Result<void> on_trailer_line(std::string_view line, Sink& sink);
  void enter_body(BodyKind body, Sink& sink);
  void take_body(std::string_view text, size_t& at, Sink& sink);
  void complete(Sink& sink);
  void reset_head() noexcept;

  const Role role_;
  State state_ = State::kStartLine;
  Limits limits_;
  ResponseContext context_;
  MessageHead head_;
  HeaderList trailers_;
  Framing framing_;
  MessageInfo info_;
  std::string pending_;       // the part of a line that has arrived
  size_t section_bytes_ = 0;  // of complete lines in this head or trailer section
  size_t header_count_ = 0;   // in this section
  size_t extension_bytes_ = 0;
  uint64_t body_left_ = 0;  // of the body, or of the current chunk
  int informational_count_ = 0;
  bool skipped_empty_line_ = false;
  Error error_;
};

}  // namespace keelson::http::h1
