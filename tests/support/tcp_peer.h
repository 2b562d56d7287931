// TCP ends for scenarios: a connection made inside a namespace, with errno, peer and timing, and a
// server that greets with a banner, echoes, and remembers whom it saw. IPv4 and IPv6.
// TcpServer runs one thread; its observers may be called from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/ip_address.h"

namespace keelson::test {

struct Connection {
  Fd fd;
  int error = 0;   // errno of connect(); ETIMEDOUT when the test's patience ended first
  Endpoint peer;   // getpeername()
  Endpoint local;  // getsockname()
  std::chrono::milliseconds took{0};

  bool is_open() const { return fd && error == 0; }
  bool send(std::string_view text) const;
  // Reads until `count` bytes, end of stream, an error or the deadline.
  std::string receive(size_t count,
                      std::chrono::milliseconds patience = std::chrono::seconds(5)) const;
  // Reads exactly `count` bytes into text. 0: done; ENODATA: an orderly end came first; ETIMEDOUT;
  // else errno of the read.
  int receive_exactly(size_t count, std::string& text,
                      std::chrono::milliseconds patience = std::chrono::seconds(5)) const;
  void shut_down_sending() const;
  void reset();  // closes with RST
  // errno of a read that failed; 0: open or orderly end; waits for either, ETIMEDOUT if neither.
  int wait_for_end(std::chrono::milliseconds patience) const;
};

struct ConnectOptions {
  std::optional<Endpoint> source;
  std::chrono::milliseconds patience{3000};
};

Connection connect_in(const std::string& netns_path, const Endpoint& to,
                      const ConnectOptions& options = {});
// In the calling thread's namespace.
Connection connect_here(const Endpoint& to, const ConnectOptions& options = {});

Endpoint endpoint(std::string_view address, uint16_t port);  // aborts on a bad address

// A listener from which the test accepts by hand.
class Acceptor {
 public:
  // [::]:port, both families.
  Acceptor(const std::string& netns_path, uint16_t port);
  Connection accept(std::chrono::milliseconds patience = std::chrono::seconds(5)) const;

 private:
  Fd listener_;
};

class TcpServer {
 public:
  // Listens on [::]:port for both families unless `address` is given.
  TcpServer(const std::string& netns_path, uint16_t port, std::string banner = "hello\n",
            std::string_view address = "::");
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  int listen_error() const { return listen_error_; }  // errno; 0: it listens
  size_t accepted() const;
  // Peers as accept() and as getpeername() told them, oldest first.
  std::vector<Endpoint> accept_peers() const;
  std::vector<Endpoint> getpeername_peers() const;
  std::string received() const;  // of all connections together

 private:
  void serve();
  void take_connection();
  void echo(size_t index);

  std::string banner_;
  int listen_error_ = 0;
  Fd listener_, stop_;
  std::vector<Fd> connections_;  // server thread only
  mutable std::mutex mutex_;
  std::vector<Endpoint> accept_peers_, getpeername_peers_;
  std::string received_;
  std::thread thread_;
};

}  // namespace keelson::test
