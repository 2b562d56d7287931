// Socket: owns one non-blocking stream socket (TCP or AF_UNIX) and speaks to the kernel for it.
// Lingers with zero seconds from birth (`mark_abortive`), so that a dead process or a dropped
// object sends RST, never a FIN that a peer would take for a complete message. One thread.
// Knows no loop and waits for nothing.
#pragma once

#include <sys/socket.h>

#include <span>
#include <string>

#include "base/buffer_chain.h"
#include "base/fd.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "io/byte_stream.h"

namespace keelson::io {

class Socket {
 public:
  Socket() noexcept = default;
  // Takes a connected or connecting socket over: non-blocking, TCP_NODELAY, abortive. For AF_UNIX
  // the kernel ignores the latter two.
  static Result<Socket> adopt(Fd fd);

  int fd() const noexcept { return fd_.get(); }
  bool is_tcp() const noexcept { return is_tcp_; }  // else AF_UNIX
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  Fd release() noexcept { return std::move(fd_); }

  Result<ReadResult> read(std::span<std::byte> into) noexcept;
  // Takes bytes off `from` until it is empty or the kernel's buffer is full; returns how many.
  Result<size_t> write(BufferChain& from) noexcept;
  Result<void> shutdown_write() noexcept;
  // From now on closing is orderly: what is written gets delivered, then FIN.
  void mark_orderly() noexcept { set_linger(false); }
  void mark_abortive() noexcept { set_linger(true); }
  void close() noexcept { fd_.reset(); }

  // SO_ERROR: the outcome of a connect, cleared by reading it.
  int take_error() noexcept;
  Result<Endpoint> local() const;   // Error: Reason::bad_value for AF_UNIX
  Result<Endpoint> remote() const;  // likewise
  struct PeerProcess {
    pid_t pid;
    uid_t uid;
    gid_t gid;
  };
  Result<PeerProcess> peer_process() const;  // SO_PEERCRED; AF_UNIX only

 private:
  void set_linger(bool abortive) noexcept;
  Fd fd_;
  bool is_tcp_ = false;
};

}  // namespace keelson::io
