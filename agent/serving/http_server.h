// HttpServer: HTTP/1.1 for one Handler on listening sockets, on a loop. Owns connections
// and runs each of them in turns of the loop (a stream's callback only asks for a turn), so that a
// handler is never called from inside another call. It never blocks: see http_connection.h for the
// bounds. It knows no paths; see its Handler.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/listener.h"
#include "io/tcp_stream.h"
#include "serving/http_connection.h"

namespace keelson::serving {

class HttpServer {
 public:
  struct Counts {
    uint64_t accepted = 0;
    uint64_t refused = 0;  // over a limit, or another user on the owner's socket
  };

  // Puts TLS on an accepted connection. Called with the server's pool.
  using Wrap = std::function<Result<std::unique_ptr<io::ByteStream>>(std::unique_ptr<io::TcpStream>,
                                                                     BlockPool&)>;

  HttpServer(io::EventLoop& loop, Handler& handler, HttpLimits limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // `path`: RUN_DIR/agent.sock; mode 0600, Surface::kOwner.
  Result<void> listen_unix(const std::string& path);
  // Surface::kNode: metrics and health, nothing else. Returns the address with its port.
  Result<Endpoint> listen_tcp(const Endpoint& at);
  // A listening socket from elsewhere, e.g. kept by hold.
  Result<void> serve(Fd listening, Surface surface, Wrap wrap = nullptr);

  size_t connections() const noexcept { return connections_.size(); }
  const Counts& counts() const noexcept { return counts_; }

 private:
  void accept(io::Socket socket, Surface surface, const Wrap& wrap);
  bool has_room(Surface surface, const IpAddress& client) const;
  void schedule(uint64_t id);
  void turn();

  io::EventLoop& loop_;
  Handler& handler_;
  const HttpLimits limits_;
  BlockPool pool_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::unordered_map<uint64_t, std::unique_ptr<HttpConnection>> connections_;
  std::vector<uint64_t> due_;
  io::Timer turn_timer_;
  uint64_t next_id_ = 1;
  Counts counts_;
};

}  // namespace keelson::serving
