// H1Stream: an HttpStream over a ByteStream by one end of an HTTP/1.1 codec: moves bytes between
// the two, keeps what one side does not take yet, and nothing while idle. For one message pair
// after another. One thread: its worker's. `wake` only queues work. Has no timeouts.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "http/h1/connection.h"
#include "http/stream.h"
#include "io/byte_stream.h"

namespace keelson::proxy {

template <class Codec>  // http::h1::ServerConnection or ClientConnection
class H1Stream final : public http::HttpStream, private io::StreamObserver, private http::h1::Sink {
 public:
  H1Stream(std::unique_ptr<io::ByteStream> stream, BlockPool& blocks, std::function<void()> wake);
  ~H1Stream() override;

  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  Result<std::optional<http::MessageHead>> read_head() override;
  Result<http::BodyRead> read_body(BufferChain& into, size_t bytes_max) override;
  const http::HeaderList& trailers() const noexcept override { return trailers_; }
  Result<void> write_head(const http::MessageHead& head, http::EndOfMessage end) override;
  Result<size_t> write_body(BufferChain& body) override;
  Result<void> write_end(const http::HeaderList* trailers) override;
  void cancel(Reason why) noexcept override;

  // Sends what is written as far as the stream takes it, and the end of the stream where one is
  // due. Once at the end of each turn. Error: the stream's.
  Result<void> flush();
  bool has_unsent() const noexcept { return !out_.empty() || codec_.waiting_bytes() > 0; }
  // Between a message's end and what answers it: finds out whether the peer is still there, and
  // reads at most one block of what follows. Error: the peer is gone.
  Result<void> read_ahead();
  // Between two messages: false when the peer has ended or said something that nobody asked for, as
  // far as the loop has told. `wake` is called when it does.
  bool is_quiet();
  // The same as far as the kernel knows.
  bool is_surely_quiet();
  // What the kernel has, though the loop has not told, is there at the next call.
  void look_again() noexcept;
  // Reads and drops, about `bytes_max` bytes; true when the peer's end of stream is there.
  Result<bool> drain_input(size_t bytes_max);

  Codec& codec() noexcept { return codec_; }
  const Codec& codec() const noexcept { return codec_; }
  // It could not read for want of a buffer: give it a turn after kStarvedRetry.
  bool take_starved() noexcept { return std::exchange(is_starved_, false); }
  bool has_peer_ended() const noexcept { return is_read_ended_; }
  // Nothing in it that belongs to a message.
  bool is_between_messages() const noexcept {
    return in_.empty() && body_.empty() && heads_.empty() && !has_unsent();
  }
  size_t bytes_held() const noexcept {
    return in_.size() + out_.size() + body_.size() + codec_.waiting_bytes();
  }
  bool is_cancelled() const noexcept { return stream_ == nullptr; }
  void close_orderly() noexcept;
  // Bytes of the stream so far, heads and framing included.
  uint64_t bytes_read() const noexcept { return bytes_read_; }
  uint64_t bytes_written() const noexcept { return bytes_written_; }

 private:
  void on_readable() noexcept override;
  void on_writable() noexcept override;
  void on_head(http::MessageHead& head, http::h1::BodyKind body) override;
  void on_body(std::span<const std::byte> bytes) override;
  void on_end(http::HeaderList& trailers) override;

  // Reads and parses until something is there to be taken, or nothing comes. True: progress.
  Result<bool> fill();
  Result<bool> feed();
  void begin_message() noexcept;
  bool is_end_due() const noexcept;

  std::unique_ptr<io::ByteStream> stream_;
  std::function<void()> wake_;
  Codec codec_;
  BufferChain in_;    // read, not parsed
  BufferChain body_;  // parsed, not taken
  BufferChain out_;   // drained from the codec, not written
  std::deque<http::MessageHead> heads_;
  http::HeaderList trailers_;
  uint64_t bytes_read_ = 0;
  uint64_t bytes_written_ = 0;
  bool can_read_ = true;
  bool can_write_ = true;
  bool is_read_ended_ = false;
  bool is_write_ended_ = false;
  bool is_body_ended_ = false;
  bool is_tunnel_ended_ = false;  // our direction of it
  bool is_starved_ = false;
  bool is_out_of_memory_ = false;
};

using H1ServerStream = H1Stream<http::h1::ServerConnection>;
using H1ClientStream = H1Stream<http::h1::ClientConnection>;

}  // namespace keelson::proxy
