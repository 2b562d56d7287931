#include "transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace keelson::load {

Io Transport::fail_with(ErrorKind kind, std::string text) {
  error_kind_ = kind;
  error_text_ = std::move(text);
  return Io::kFailed;
}

Io Transport::open(const SocketAddress& to) {
  close();
  wanted_events_ = EPOLLOUT;
  fd_ = Fd(socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return fail_with(ErrorKind::kConnect, std::strerror(errno));
  const int on = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd_.get(), to.get(), to.length) == 0 || errno == EINPROGRESS) return Io::kAgain;
  return fail_with(ErrorKind::kConnect, std::strerror(errno));
}

void Transport::close() noexcept {
  ssl_.reset();
  fd_.reset();
  is_connected_ = false;
}

Io Transport::advance() {
  if (!is_connected_) {
    if (const Io io = finish_connect(); io != Io::kDone) return io;
    is_connected_ = true;
    if (tls_ != nullptr) {
      ssl_ = tls_->open(fd_.get());
      if (!ssl_) return fail_with(ErrorKind::kTls, take_tls_error());
    }
  }
  return ssl_ ? shake_hands() : Io::kDone;
}

Io Transport::finish_connect() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? Io::kDone : fail_with(ErrorKind::kConnect, std::strerror(error));
}

Io Transport::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    if (tls_->is_protocol_agreed(ssl_.get())) return Io::kDone;
    return fail_with(ErrorKind::kTls, "the server did not choose HTTP/2 (ALPN h2)");
  }
  const Io io = on_tls_result(result);
  if (io == Io::kAgain) return io;
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (verdict != X509_V_OK)
    return fail_with(ErrorKind::kTls, std::string("the server's certificate: ") +
                                          X509_verify_cert_error_string(verdict));
  return fail_with(ErrorKind::kTls,
                   error_text_.empty() ? "the server ended the handshake" : error_text_);
}

// What a call that did not succeed means.
Io Transport::on_tls_result(int result) {
  const int saved_errno = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      wanted_events_ = EPOLLIN;
      return Io::kAgain;
    case SSL_ERROR_WANT_WRITE:
      wanted_events_ = EPOLLOUT;
      return Io::kAgain;
    case SSL_ERROR_ZERO_RETURN:
      return Io::kEnd;
    case SSL_ERROR_SYSCALL:
      return fail_with(ErrorKind::kReset, saved_errno == 0 ? "" : std::strerror(saved_errno));
    default:
      break;
  }
  const bool is_cut = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  return fail_with(is_cut ? ErrorKind::kReset : ErrorKind::kTls, take_tls_error());
}

Transfer Transport::receive(std::span<char> into) {
  if (ssl_) {
    ERR_clear_error();
    size_t count = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    return result == 1 ? Transfer{Io::kDone, count} : Transfer{on_tls_result(result), 0};
  }
  const ssize_t count = recv(fd_.get(), into.data(), into.size(), 0);
  if (count > 0) return {Io::kDone, static_cast<size_t>(count)};
  if (count == 0) return {Io::kEnd, 0};
  if (errno == EAGAIN || errno == EINTR) return {Io::kAgain, 0};
  return {fail_with(ErrorKind::kReset, std::strerror(errno)), 0};
}

Transfer Transport::send(std::string_view bytes) {
  if (ssl_) {
    ERR_clear_error();
    size_t count = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
    return result == 1 ? Transfer{Io::kDone, count} : Transfer{on_tls_result(result), 0};
  }
  const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count >= 0) return {Io::kDone, static_cast<size_t>(count)};
  if (errno == EAGAIN || errno == EINTR) return {Io::kAgain, 0};
  return {fail_with(ErrorKind::kReset, std::strerror(errno)), 0};
}

}  // namespace keelson::load
