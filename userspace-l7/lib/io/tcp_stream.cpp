#include "io/tcp_stream.h"

#include "io/event_loop.h"

namespace keelson::io {

Result<std::unique_ptr<TcpStream>> TcpStream::open(EventLoop& loop, Socket socket) {
  std::unique_ptr<TcpStream> stream(new TcpStream(loop.edges(), std::move(socket)));
  // AF_UNIX also reads short at the edges of messages that carry descriptors.
  stream->may_hide_more_ = !stream->socket_.is_tcp();
  KS_TRY(loop.edges().add(stream->socket_.fd(), *stream));
  stream->is_watched_ = true;
  return stream;
}

TcpStream::~TcpStream() {
  if (read_ended_ && write_ended_) close_orderly();
  leave();
}

Result<ReadResult> TcpStream::read(std::span<std::byte> into) {
  KS_ASSERT(is_watched_ && !into.empty());
  if (read_ended_) return ReadResult::eof();
  auto result = is_drained_ ? Result<ReadResult>(ReadResult::would_block()) : socket_.read(into);
  if (!result) return result;
  if (result->is_eof()) read_ended_ = true;
  awaits_readable_ = result->is_would_block();
  is_drained_ = result->is_would_block() || (result->bytes < into.size() && !may_hide_more_);
  return result;
}

Result<size_t> TcpStream::write(BufferChain& from) {
  KS_ASSERT(is_watched_ && !write_ended_);
  auto result = socket_.write(from);
  awaits_writable_ = result && !from.empty();
  return result;
}

Result<void> TcpStream::shutdown_write() {
  KS_ASSERT(is_watched_);
  if (write_ended_) return {};
  KS_TRY(socket_.shutdown_write());
  write_ended_ = true;
  return {};
}

void TcpStream::reset(Reason) noexcept {
  if (!is_watched_) return;
  leave();
  socket_.mark_abortive();
  socket_.close();
}

void TcpStream::close_orderly() noexcept {
  if (!is_watched_) return;
  leave();
  socket_.mark_orderly();
  socket_.close();
}

void TcpStream::leave() noexcept {
  if (std::exchange(is_watched_, false)) edges_.remove(socket_.fd(), *this);
}

void TcpStream::on_edge(uint32_t events) noexcept {
  constexpr uint32_t kEnds = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & (kEnds | EPOLLPRI)) != 0) may_hide_more_ = true;
  const bool is_readable = (events & (EPOLLIN | EPOLLPRI | kEnds)) != 0;
  if (is_readable) is_drained_ = false;
  const bool tells_readable = is_readable && std::exchange(awaits_readable_, false);
  const bool tells_writable =
      (events & (EPOLLOUT | kEnds)) != 0 && std::exchange(awaits_writable_, false);
  StreamObserver* const told = observer();
  if (told == nullptr) return;
  if (tells_readable) told->on_readable();
  if (tells_writable) told->on_writable();
}

}  // namespace keelson::io
