// LoadServer: what keelson-load is pointed at in its tests: a listener on 127.0.0.1, plain or TLS
// with a required client certificate, and a blocking thread for each connection that runs the
// test's code. Ends all connections when destroyed. Ignores SIGPIPE from then on.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "support/cert_fixture.h"

namespace keelson::load::test {

// One accepted connection, blocking.
class Channel {
 public:
  Channel(int fd, SSL* ssl) : fd_(fd), ssl_(ssl) {}
  std::string read();  // empty: it ended
  bool write(std::string_view bytes);
  // Reads a request head (tests send no body). False: the client ended.
  bool read_request();
  void cut();  // the client sees a reset

 private:
  int fd_;
  SSL* ssl_;
  std::string buffer_;
};

class LoadServer {
 public:
  using Serve = std::function<void(Channel&)>;

  explicit LoadServer(Serve serve) : LoadServer(std::move(serve), nullptr, nullptr) {}
  // TLS with `identity`; clients must show a certificate that `root` signed.
  LoadServer(Serve serve, const keelson::test::TestIdentity* identity,
             const keelson::test::TestIdentity* root);
  ~LoadServer();
  LoadServer(const LoadServer&) = delete;
  LoadServer& operator=(const LoadServer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  size_t accepted() const { return accepted_; }

 private:
  void accept_all();
  void serve_one(int fd);

  const Serve serve_;
  tls::SslCtxPtr context_;  // null: plain
  uint16_t port_ = 0;
  Fd listener_;
  std::atomic<size_t> accepted_{0};
  std::mutex mutex_;
  std::vector<Fd> connections_;
  std::vector<std::thread> threads_;  // acceptor's until it is joined
  std::thread acceptor_;
};

// "HTTP/1.1 200 OK" with a body of three bytes.
extern const std::string kAnswer;
// Answers every request at once.
void answer_all(Channel& channel);

}  // namespace keelson::load::test
