#include "proxy/exchange/h1_stream.h"

#include <type_traits>

#include "base/assert.h"
#include "base/limits.h"

namespace keelson::proxy {
namespace {

using http::BodyRead;
using http::h1::ClientConnection;
using http::h1::ServerConnection;

// Bytes of a body that wait to be taken. More: the stream is not read.
constexpr size_t kBodyBytesMax = kRelayBufferBytesMax;

}  // namespace

template <class Codec>
H1Stream<Codec>::H1Stream(std::unique_ptr<io::ByteStream> stream, BlockPool& blocks,
                          std::function<void()> wake)
    : stream_(std::move(stream)),
      wake_(std::move(wake)),
      codec_(blocks),
      in_(blocks),
      body_(blocks),
      out_(blocks) {
  stream_->observe(this);
}

template <class Codec>
H1Stream<Codec>::~H1Stream() {
  if (stream_) stream_->observe(nullptr);
}

template <class Codec>
void H1Stream<Codec>::on_readable() noexcept {
  can_read_ = true;
  if (wake_) wake_();
}

template <class Codec>
void H1Stream<Codec>::on_writable() noexcept {
  can_write_ = true;
  if (wake_) wake_();
}

template <class Codec>
void H1Stream<Codec>::cancel(Reason why) noexcept {
  if (!stream_) return;
  stream_->observe(nullptr);
  stream_->reset(why);
  stream_.reset();
}

template <class Codec>
void H1Stream<Codec>::close_orderly() noexcept {
  if (!stream_) return;
  stream_->observe(nullptr);
  if (!is_write_ended_ && !stream_->shutdown_write()) return cancel(Reason::stream_reset);
  stream_->close_orderly();
  stream_.reset();
}

// ---- reading ----------------------------------------------------------------------------------

template <class Codec>
void H1Stream<Codec>::on_head(http::MessageHead& head, http::h1::BodyKind) {
  begin_message();
  heads_.push_back(std::move(head));
}

template <class Codec>
void H1Stream<Codec>::on_body(std::span<const std::byte> bytes) {
  if (!body_.append(bytes)) is_out_of_memory_ = true;
}

template <class Codec>
void H1Stream<Codec>::on_end(http::HeaderList& trailers) {
  trailers_ = std::move(trailers);
  is_body_ended_ = true;
}

template <class Codec>
void H1Stream<Codec>::begin_message() noexcept {
  trailers_.clear();
  is_body_ended_ = false;
}

template <class Codec>
Result<bool> H1Stream<Codec>::feed() {
  bool has_moved = false;
  while (!in_.empty() && body_.size() < kBodyBytesMax) {
    // What the codec has taken cannot be given to it again: first the room for a body.
    if (body_.reserve(in_.front().size()).empty()) {
      is_starved_ = true;
      break;
    }
    const auto fed = codec_.feed(in_.front(), *this);
    body_.commit(0);
    KS_ASSIGN(const size_t taken, fed);
    if (is_out_of_memory_)
      return fail(Reason::buffer_pool_empty, ErrorSource::kInternal, "no buffer for a body");
    if (taken == 0) break;
    in_.consume(taken);
    has_moved = true;
  }
  return has_moved;
}

template <class Codec>
Result<bool> H1Stream<Codec>::fill() {
  if (!stream_) return fail(Reason::stream_reset, ErrorSource::kInternal, "the stream is gone");
  KS_ASSIGN(bool has_moved, feed());
  if (has_moved || !in_.empty() || is_read_ended_ || !can_read_) return has_moved;
  const auto read = io::read_into(*stream_, in_);
  if (!read && read.error().reason == Reason::buffer_pool_empty) {
    is_starved_ = true;
    return false;
  }
  if (!read) return Failure(read.error());
  const io::ReadResult got = *read;
  bytes_read_ += got.bytes;
  if (got.is_would_block()) {
    can_read_ = false;
    return false;
  }
  if (!got.is_eof()) return feed();
  is_read_ended_ = true;
  KS_TRY(codec_.finish(*this));
  return true;
}

template <class Codec>
Result<std::optional<http::MessageHead>> H1Stream<Codec>::read_head() {
  while (heads_.empty()) {
    KS_ASSIGN(const bool has_moved, fill());
    if (!has_moved) return std::optional<http::MessageHead>();
  }
  std::optional<http::MessageHead> head(std::move(heads_.front()));
  heads_.pop_front();
  return head;
}

template <class Codec>
Result<BodyRead> H1Stream<Codec>::read_body(BufferChain& into, size_t bytes_max) {
  while (body_.empty() && !is_body_ended_) {
    KS_ASSIGN(const bool has_moved, fill());
    if (!has_moved) return BodyRead{BodyRead::Kind::kWouldBlock, 0};
  }
  if (body_.empty()) return BodyRead{BodyRead::Kind::kEnd, 0};
  const size_t bytes = std::min(bytes_max, body_.size());
  into.move_from(body_, bytes);
  return BodyRead{BodyRead::Kind::kData, bytes};
}

template <class Codec>
Result<void> H1Stream<Codec>::read_ahead() {
  if (is_body_ended_ && in_.empty() && body_.empty()) KS_TRY(fill());
  return {};
}

template <class Codec>
bool H1Stream<Codec>::is_quiet() {
  if (!stream_ || is_read_ended_ || !is_between_messages()) return false;
  std::byte byte{};
  const auto got = stream_->read({&byte, 1});
  if (!got || !got->is_would_block()) return false;
  can_read_ = false;
  return true;
}

template <class Codec>
bool H1Stream<Codec>::is_surely_quiet() {
  if (stream_) stream_->look_again();
  return is_quiet();
}

template <class Codec>
void H1Stream<Codec>::look_again() noexcept {
  if (!stream_) return;
  stream_->look_again();
  can_read_ = true;
}

template <class Codec>
Result<bool> H1Stream<Codec>::drain_input(size_t bytes_max) {
  const uint64_t before = bytes_read_;
  while (!is_read_ended_ && bytes_read_ - before < bytes_max) {
    body_.clear();
    heads_.clear();
    KS_ASSIGN(const bool has_moved, fill());
    if (!has_moved) break;
  }
  return is_read_ended_;
}

// ---- writing ----------------------------------------------------------------------------------

template <class Codec>
Result<void> H1Stream<Codec>::write_head(const http::MessageHead& head, http::EndOfMessage end) {
  if constexpr (std::is_same_v<Codec, ClientConnection>) begin_message();
  if constexpr (std::is_same_v<Codec, ServerConnection>) {
    if (head.status / 100 == 1 && head.status != 101) return codec_.write_informational(head);
  }
  KS_TRY(codec_.write_head(head, end));
  // The request has ended; what follows on this connection are the tunnel's bytes.
  if (codec_.is_tunnel()) begin_message();
  return {};
}

template <class Codec>
Result<size_t> H1Stream<Codec>::write_body(BufferChain& body) {
  size_t bytes = 0;
  // The codec lets a bounded amount wait; what the stream takes makes room for more.
  while (!body.empty()) {
    KS_ASSIGN(const size_t taken, codec_.write_body(body));
    bytes += taken;
    KS_TRY(flush());
    if (taken == 0 || has_unsent()) break;
  }
  return bytes;
}

template <class Codec>
Result<void> H1Stream<Codec>::write_end(const http::HeaderList* trailers) {
  KS_TRY(codec_.write_end(trailers));
  is_tunnel_ended_ = codec_.is_tunnel();
  return {};
}

template <class Codec>
bool H1Stream<Codec>::is_end_due() const noexcept {
  if (is_write_ended_ || has_unsent()) return false;
  // A client that ended its request stream early would look like one that gave up.
  if constexpr (std::is_same_v<Codec, ClientConnection>) return is_tunnel_ended_;
  return is_tunnel_ended_ || codec_.is_closing();
}

template <class Codec>
Result<void> H1Stream<Codec>::flush() {
  if (!stream_) return fail(Reason::stream_reset, ErrorSource::kInternal, "the stream is gone");
  while (can_write_ && has_unsent()) {
    if (out_.empty()) codec_.drain(out_);  // else it would grow by a little at a time
    KS_ASSIGN(const size_t taken, stream_->write(out_));
    bytes_written_ += taken;
    if (!out_.empty()) can_write_ = false;
  }
  if (!is_end_due()) return {};
  is_write_ended_ = true;
  return stream_->shutdown_write();
}

template class H1Stream<ServerConnection>;
template class H1Stream<ClientConnection>;

}  // namespace keelson::proxy
