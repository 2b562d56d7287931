// Transport: one TCP connection, with TLS or without, that never blocks: open() starts it,
// advance() carries it on at each readiness until it is usable. One thread; knows no HTTP. Bytes
// are received into and sent from the caller's memory, with one system call each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "error_kind.h"
#include "tls_client.h"
#include "url.h"

namespace keelson::load {

enum class Io : uint8_t {
  kDone,
  kAgain,  // wait until wanted_events()
  kEnd,    // the other side's orderly end
  kFailed  // see error_kind() and error_text()
};

struct Transfer {
  Io io = Io::kAgain;
  size_t bytes = 0;
};

class Transport {
 public:
  // `tls` outlives it; null: plain TCP.
  explicit Transport(const TlsClient* tls) noexcept : tls_(tls) {}

  // kAgain, or kFailed when the kernel refuses at once (a hook's EPERM, no port left).
  Io open(const SocketAddress& to);
  // kDone: usable, behind connect and handshake.
  Io advance();
  void close() noexcept;

  Transfer receive(std::span<char> into);
  Transfer send(std::string_view bytes);
  // Bytes were read from the socket that receive() has not given out: no event will tell.
  bool has_buffered() const noexcept { return ssl_ && SSL_has_pending(ssl_.get()) == 1; }

  int fd() const noexcept { return fd_.get(); }
  uint32_t wanted_events() const noexcept { return wanted_events_; }
  ErrorKind error_kind() const noexcept { return error_kind_; }
  const std::string& error_text() const noexcept { return error_text_; }

 private:
  Io fail_with(ErrorKind kind, std::string text);
  Io finish_connect();
  Io shake_hands();
  Io on_tls_result(int result);

  const TlsClient* tls_;
  Fd fd_;
  SslPtr ssl_;
  bool is_connected_ = false;
  uint32_t wanted_events_ = 0;
  ErrorKind error_kind_ = ErrorKind::kConnect;
  std::string error_text_;
};

}  // namespace keelson::load
