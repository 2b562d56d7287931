// Session: one HTTP/2 connection (RFC 9113), client or server, without any I/O: feed() takes the
// peer's bytes, drain() gives ours. The only file that knows nghttp2. One thread.
// The Sink is called from inside feed() and drain(); it may call the session's stream methods, but
// neither feed(), drain() nor the destructor. Flow control is the owner's: received bytes count
// against the stream's window until credit(), so not crediting is the back-pressure.
// Does not route, pool or time anything.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

#include "base/buffer_chain.h"
#include "base/result.h"
#include "http/message.h"

struct nghttp2_session;

namespace keelson::h2 {

using StreamId = int32_t;  // > 0

// RFC 9113 section 7.
enum class ErrorCode : uint32_t {
  kNoError = 0,
  kProtocolError = 1,
  kInternalError = 2,
  kFlowControlError = 3,
  kStreamClosed = 5,
  kRefusedStream = 7,
  kCancel = 8,
  kConnectError = 10,
  kEnhanceYourCalm = 11,
};

enum class Role : uint8_t { kClient, kServer };

// Announced to the peer (RFC 9113 section 6.5.2), and how much is buffered towards it.
struct Settings {
  uint32_t stream_window_bytes = 4u << 20;
  uint32_t connection_window_bytes = 16u << 20;
  uint32_t frame_bytes_max = 1u << 20;
  uint32_t header_list_bytes_max = 64u << 10;
  uint32_t streams_max = 200;                // that the peer may open; a client opens none to us
  size_t stream_send_bytes_max = 64u << 10;  // queued for one stream before write_body() refuses
  size_t header_fields_max = 128;            // each cookie crumb is one; more: the stream is reset
};

class Sink {
 public:
  // A request (server), a response or an informational one (client).
  virtual void on_head(StreamId stream, http::MessageHead head, http::EndOfMessage end) = 0;
  virtual void on_body(StreamId stream, std::span<const std::byte> bytes) = 0;
  // END_STREAM after a body; never after a head that already said kYes.
  virtual void on_end(StreamId stream, http::HeaderList trailers) = 0;
  // The stream is over without an orderly end in both directions; its id means nothing any more.
  virtual void on_reset(StreamId stream, ErrorCode code) = 0;
  // Both directions ended; its id means nothing any more.
  virtual void on_closed(StreamId stream) = 0;
  // write_body() took less than everything before and has room now.
  virtual void on_writable(StreamId stream) = 0;
  // The peer opens or serves no stream above `last`.
  virtual void on_goaway(StreamId last, ErrorCode code) = 0;
  virtual void on_ping_answered() = 0;

 protected:
  ~Sink() = default;
};

class Session {
 public:
  // `pool` and `sink` outlive the session.
  Session(Role role, const Settings& settings, BlockPool& pool, Sink& sink);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes all of `bytes`. Error (h2_protocol_error, h2_flood): the connection is dead; drain() may
  // still hold the GOAWAY that tells the peer why.
  Result<void> feed(std::span<const std::byte> bytes);
  // Appends what is to be sent, until `out` holds about `bytes_max` or nothing is left. Error: as
  // feed(), once; `out` then holds the GOAWAY.
  Result<void> drain(BufferChain& out, size_t bytes_max);
  bool wants_write() const noexcept;
  // True once neither side has anything to say any more: after GOAWAY and the last stream.
  bool is_finished() const noexcept;

  // Client: opens a stream. Error: h2_streams_exhausted (ids or the peer's limit), retryable on
  // another connection.
  Result<StreamId> open(const http::MessageHead& request, http::EndOfMessage end);
  // Server: answers; 1xx heads may come before the final one.
  Result<void> respond(StreamId stream, const http::MessageHead& response, http::EndOfMessage end);
  // Server: answers by a head alone; what the peer still sends is not wanted: END_STREAM, then
  // RST_STREAM NO_ERROR (RFC 9113 section 8.1).
  Result<void> refuse(StreamId stream, const http::MessageHead& response);
  // Takes what fits off `from`; with bytes left over, on_writable() comes.
  Result<size_t> write_body(StreamId stream, BufferChain& from);
  // After everything written: END_STREAM, with trailers when given.
  Result<void> write_end(StreamId stream, const http::HeaderList* trailers = nullptr);
  void reset(StreamId stream, ErrorCode code) noexcept;

  // `bytes` of a stream's body have left the process: its window opens again.
  void credit(StreamId stream, size_t bytes) noexcept;
  // The connection's window; on receipt, or later when memory is short.
  void credit_connection(size_t bytes) noexcept;

  void ping();
  // Graceful: announces the end, without refusing what is on its way (RFC 9113 section 6.8); the
  // owner sends finish_goaway() a round trip later.
  void start_goaway();
  void finish_goaway();
  void goaway(ErrorCode code);

  size_t open_streams() const noexcept { return streams_.size(); }
  // Streams that may be open at once towards the peer, by the peer's announcement.
  uint32_t peer_streams_max() const noexcept;

 private:
  struct Stream;
  struct Callbacks;  // nghttp2's view of this class
  friend struct Callbacks;

  Stream* find(StreamId stream) noexcept;
  Stream& make_stream(StreamId id);
  void announce_settings();

  const Role role_;
  const Settings settings_;
  BlockPool& pool_;
  Sink& sink_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<StreamId, std::unique_ptr<Stream>> streams_;
  BufferChain* out_ = nullptr;  // of the drain() that runs
  size_t out_bytes_max_ = 0;
  std::optional<uint32_t> peer_error_;  // why nghttp2 ended the connection, until drain() tells
  bool is_goaway_ours_ = false;         // goaway() was called
};

}  // namespace keelson::h2
