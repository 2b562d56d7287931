// HttpsServer: HTTP/1.1 over TLS on 127.0.0.1, for tests of HTTPS clients: blocking threads, one a
// connection, one scripted answer a request. Its certificate is for "kube.test".
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
#include "cert_fixture.h"

namespace keelson::test {

class HttpsServer {
 public:
  struct Request {
    std::string head;  // as it came
    std::string body;
    std::string target() const;
    bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
  };
  class Writer {
   public:
    explicit Writer(SSL* ssl) : ssl_(ssl) {}
    bool write(std::string_view bytes);
    void answer(int status, std::string_view body, std::string_view headers = "");
    void begin_chunked();
    bool chunk(std::string_view bytes);
    void end_chunked() { write("0\r\n\r\n"); }
    void wait_for_end();  // until the client closes

   private:
    SSL* ssl_;
  };
  // Returns false to close the connection.
  using Script = std::function<bool(const Request&, Writer&)>;

  explicit HttpsServer(Script script, bool asks_for_certificate = false);
  ~HttpsServer();
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;

  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  std::string ca_pem() const { return root_.cert_pem(); }
  const TestIdentity& root() const { return root_; }
  size_t connections() const { return connections_; }

 private:
  void accept_all();
  void serve(int fd);

  const Script script_;
  const TestIdentity root_, leaf_;
  SSL_CTX* context_;
  Fd listener_;
  uint16_t port_ = 0;
  std::atomic<size_t> connections_{0};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace keelson::test
