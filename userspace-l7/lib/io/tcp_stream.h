// TcpStream: a ByteStream over a Socket (TCP or AF_UNIX) on a loop. One thread.
// Destroyed after an end in both directions, or after close_orderly(): FIN. Otherwise, and when the
// process dies: RST. It has no timeouts and no queue of its own: what write() leaves, the caller
// keeps and offers again after on_writable().
#pragma once

#include "io/byte_stream.h"
#include "io/edge_set.h"
#include "io/socket.h"

namespace keelson::io {

class TcpStream final : public ByteStream, private EdgeSet::Member {
 public:
  static Result<std::unique_ptr<TcpStream>> open(EventLoop& loop, Socket socket);
  ~TcpStream() override;

  Result<ReadResult> read(std::span<std::byte> into) override;
  void look_again() noexcept override { is_drained_ = false; }
  Result<size_t> write(BufferChain& from) override;
  Result<void> shutdown_write() override;
  void reset(Reason why) noexcept override;

  // Closes without waiting for the peer's end: the kernel still delivers what was written, then FIN
  // (but unread input makes it an RST, so read to the end where the peer must see the last bytes).
  // Call after shutdown_write() and destroy the stream next.
  void close_orderly() noexcept override;

  const Socket& socket() const noexcept { return socket_; }

 private:
  TcpStream(EdgeSet& edges, Socket socket) noexcept : edges_(edges), socket_(std::move(socket)) {}
  void on_edge(uint32_t events) noexcept override;
  void leave() noexcept;

  EdgeSet& edges_;
  Socket socket_;
  bool is_watched_ = false;
  bool awaits_readable_ = false;
  bool awaits_writable_ = false;
  // The last read emptied the kernel's queue: until the next edge another one would find nothing.
  bool is_drained_ = false;
  // A short read proves nothing: an end or urgent data (which recv(2) stops at) may be behind it.
  bool may_hide_more_ = false;
  bool read_ended_ = false;
  bool write_ended_ = false;
};

}  // namespace keelson::io
