#include "serving/http_server.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace keelson::serving {
namespace {

// The mode 0600 says the same to everybody who opens the path, but not of a socket that was passed
// on.
bool may_ask(const io::Socket& socket) {
  const auto peer = socket.peer_process();
  return peer && (peer->uid == 0 || peer->uid == ::geteuid());
}

}  // namespace

HttpServer::HttpServer(io::EventLoop& loop, Handler& handler, HttpLimits limits)
    : loop_(loop), handler_(handler), limits_(limits), turn_timer_(loop, [this] { turn(); }) {}

HttpServer::~HttpServer() = default;

Result<void> HttpServer::listen_unix(const std::string& path) {
  KS_ASSIGN(Fd fd, io::listen_unix(path, 0600));
  return serve(std::move(fd), Surface::kOwner);
}

Result<Endpoint> HttpServer::listen_tcp(const Endpoint& at) {
  KS_ASSIGN(Fd fd, io::listen_tcp(at));
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &length) < 0)
    return fail_errno(Reason::io_error, errno, "getsockname " + at.to_string());
  KS_ASSIGN(const Endpoint endpoint, Endpoint::from_sockaddr(bound));
  KS_TRY(serve(std::move(fd), Surface::kNode));
  return endpoint;
}

Result<void> HttpServer::serve(Fd listening, Surface surface, Wrap wrap) {
  KS_ASSIGN(auto listener, io::Listener::open(loop_, std::move(listening),
                                              [this, surface, wrap](io::Socket socket) {
                                                accept(std::move(socket), surface, wrap);
                                              }));
  listeners_.push_back(std::move(listener));
  return {};
}

bool HttpServer::has_room(Surface surface, const IpAddress& client) const {
  size_t open = 0, of_client = 0;
  for (const auto& [id, connection] : connections_) {
    if (connection->surface() != surface) continue;
    ++open;
    of_client += connection->client() == client ? 1 : 0;
  }
  if (open >= limits_.connections_max) return false;
  const bool is_limited = limits_.connections_per_client_max > 0 && client != IpAddress();
  return !is_limited || of_client < limits_.connections_per_client_max;
}

void HttpServer::accept(io::Socket socket, Surface surface, const Wrap& wrap) {
  const bool is_stranger = surface == Surface::kOwner && !socket.is_tcp() && !may_ask(socket);
  const auto remote = socket.is_tcp() ? socket.remote() : Result<Endpoint>(Endpoint{});
  if (is_stranger || !remote || !has_room(surface, remote->address)) {
    ++counts_.refused;
    return;
  }
  Result<std::unique_ptr<io::ByteStream>> stream = io::TcpStream::open(loop_, std::move(socket));
  if (stream && wrap) {
    auto* tcp = static_cast<io::TcpStream*>(stream->release());
    stream = wrap(std::unique_ptr<io::TcpStream>(tcp), pool_);
  }
  if (!stream) {
    ++counts_.refused;
    return;
  }
  ++counts_.accepted;
  const uint64_t id = next_id_++;
  connections_.emplace(
      id, std::make_unique<HttpConnection>(loop_, std::move(*stream), surface, remote->address,
                                           handler_, pool_, limits_, [this, id] { schedule(id); }));
  schedule(id);  // a new stream is first read, then waited for
}

void HttpServer::schedule(uint64_t id) {
  if (std::find(due_.begin(), due_.end(), id) != due_.end()) return;
  due_.push_back(id);
  if (due_.size() == 1) turn_timer_.start(std::chrono::milliseconds(0));
}

void HttpServer::turn() {
  // What a connection's work makes due, another one's or its own, waits for the next turn.
  for (const uint64_t id : std::exchange(due_, {})) {
    const auto found = connections_.find(id);
    if (found != connections_.end() && !found->second->work()) connections_.erase(found);
  }
}

}  // namespace keelson::serving
