#include "io/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <cerrno>

namespace keelson::io {
namespace {

Failure socket_error(int os_errno, const char* doing) {
  // A peer that is gone shows as any of these, depending on which side the kernel was looking at.
  const bool is_reset = os_errno == ECONNRESET || os_errno == EPIPE || os_errno == ECONNABORTED;
  return fail_errno(is_reset ? Reason::stream_reset : Reason::io_error, os_errno, doing);
}

}  // namespace

Result<Socket> Socket::adopt(Fd fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    return fail_errno(Reason::io_error, errno, "making a socket non-blocking");
  Socket socket;
  socket.fd_ = std::move(fd);
  socket.mark_abortive();
  const int on = 1;  // fails for AF_UNIX, where there is nothing to delay
  socket.is_tcp_ = ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
  return socket;
}

Result<ReadResult> Socket::read(std::span<std::byte> into) noexcept {
  while (true) {
    const ssize_t n = ::recv(fd_.get(), into.data(), into.size(), 0);
    if (n > 0) return ReadResult::data(static_cast<size_t>(n));
    if (n == 0) return ReadResult::eof();
    if (errno == EAGAIN || errno == EWOULDBLOCK) return ReadResult::would_block();
    if (errno != EINTR) return socket_error(errno, "reading from a socket");
  }
}

Result<size_t> Socket::write(BufferChain& from) noexcept {
  size_t written = 0;
  std::array<iovec, kWriteParts> parts;
  while (!from.empty()) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = from.fill_iovec(parts);
    // sendmsg rather than writev: a peer that is gone must be an error, not a SIGPIPE.
    const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (n >= 0) {
      from.consume(static_cast<size_t>(n));
      written += static_cast<size_t>(n);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return written;
    if (errno != EINTR) return socket_error(errno, "writing to a socket");
  }
  return written;
}

Result<void> Socket::shutdown_write() noexcept {
  if (::shutdown(fd_.get(), SHUT_WR) == 0) return {};
  if (errno == ENOTCONN) return socket_error(ECONNRESET, "ending a stream");
  return socket_error(errno, "ending a stream");
}

void Socket::set_linger(bool abortive) noexcept {
  const linger option{.l_onoff = abortive ? 1 : 0, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &option, sizeof option);
}

int Socket::take_error() noexcept {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) < 0) return errno;
  return error;
}

Result<Endpoint> Socket::local() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length) < 0)
    return fail_errno(Reason::io_error, errno, "reading a socket's own address");
  return Endpoint::from_sockaddr(address);
}

Result<Endpoint> Socket::remote() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length) < 0)
    return fail_errno(Reason::io_error, errno, "reading a socket's peer address");
  return Endpoint::from_sockaddr(address);
}

Result<Socket::PeerProcess> Socket::peer_process() const {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
    return fail_errno(Reason::io_error, errno, "reading a socket's peer credentials");
  return PeerProcess{credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace keelson::io
