#include "io/tcp_stream.h"

namespace keelson::io {

Result<std::unique_ptr<TcpStream>> TcpStream::open(EventLoop& loop, Socket socket) {
  std::unique_ptr<TcpStream> stream(new TcpStream(std::move(socket)));
  TcpStream* self = stream.get();
  KS_ASSIGN(Poll poll, Poll::open(loop, stream->socket_.fd(),
                                  [self](Readiness ready) { self->on_ready(ready); }));
  stream->poll_ = std::make_unique<Poll>(std::move(poll));
  return stream;
}

TcpStream::~TcpStream() {
  if (read_ended_ && write_ended_) close_orderly();
}

Result<ReadResult> TcpStream::read(std::span<std::byte> into) {
  KS_ASSERT(poll_ != nullptr && !into.empty());
  if (read_ended_) return ReadResult::eof();
  auto result = socket_.read(into);
  if (!result) return result;
  if (result->is_eof()) read_ended_ = true;
  if (result->is_would_block()) arm({.readable = true});
  return result;
}

Result<size_t> TcpStream::write(BufferChain& from) {
  KS_ASSERT(poll_ != nullptr && !write_ended_);
  auto result = socket_.write(from);
  if (result && !from.empty()) arm({.writable = true});
  return result;
}

Result<void> TcpStream::shutdown_write() {
  KS_ASSERT(poll_ != nullptr);
  if (write_ended_) return {};
  KS_TRY(socket_.shutdown_write());
  write_ended_ = true;
  return {};
}

void TcpStream::reset(Reason) noexcept {
  if (poll_ == nullptr) return;
  poll_.reset();  // before close(): libuv forbids closing a watched descriptor
  socket_.mark_abortive();
  socket_.close();
}

void TcpStream::close_orderly() noexcept {
  if (poll_ == nullptr) return;
  poll_.reset();
  socket_.mark_orderly();
  socket_.close();
}

void TcpStream::arm(Readiness more) noexcept {
  const Readiness now = poll_->watched();
  poll_->watch({now.readable || more.readable, now.writable || more.writable});
}

void TcpStream::on_ready(Readiness ready) noexcept {
  const Readiness watched = poll_->watched();
  const Readiness fired{ready.readable && watched.readable, ready.writable && watched.writable};
  // Disarm first: the poll is level-triggered, and the observer reads later, from the scheduler.
  poll_->watch({watched.readable && !fired.readable, watched.writable && !fired.writable});
  StreamObserver* const told = observer();
  if (told == nullptr) return;
  if (fired.readable) told->on_readable();
  if (fired.writable) told->on_writable();
}

}  // namespace keelson::io
