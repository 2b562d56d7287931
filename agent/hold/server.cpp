#include "hold/server.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "link/seqpacket.h"

namespace keelson::hold {
namespace {

constexpr size_t kClientsMax = 64;

}  // namespace

bool may_ask(uid_t uid, std::optional<uid_t> extra_proxy_uid, link::HoldOp op) noexcept {
  const bool agent = uid == link::kAgentUid;
  const bool proxy = uid == link::kProxyUid || uid == extra_proxy_uid;
  if (op < link::HoldOp::kListeners) return agent;
  if (op == link::HoldOp::kSockets) return proxy;
  return agent || proxy;
}

Server::Server(Fd listener, FileIdentity file, Fd poll, std::optional<uid_t> extra_proxy_uid)
    : listener_(std::move(listener)),
      file_(std::move(file)),
      poll_(std::move(poll)),
      extra_proxy_uid_(extra_proxy_uid) {}

Result<Server> Server::open(const ServerOptions& options) {
  // 0755 and 0666: the proxy's user must reach the socket; SO_PEERCRED decides, not file modes.
  if (::mkdir(options.run_dir.c_str(), 0755) != 0 && errno != EEXIST)
    return fail_errno(Reason::io_error, errno, "mkdir " + options.run_dir);
  const std::string path = options.run_dir + "/hold.sock";
  if (link::connect_seqpacket(path))
    return fail(Reason::bad_usage, ErrorSource::kConfig, "another keelson-hold serves " + path);
  KS_ASSIGN(Fd listener, link::listen_seqpacket(path, 0666));
  Fd poll(::epoll_create1(EPOLL_CLOEXEC));
  if (!poll) return fail_errno(Reason::io_error, errno, "epoll_create1");
  Server server(std::move(listener), FileIdentity::of(path), std::move(poll),
                options.extra_proxy_uid);
  KS_TRY(server.watch(server.listener_));
  return server;
}

Result<void> Server::watch(const Fd& fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd.get();
  if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0)
    return fail_errno(Reason::io_error, errno, "epoll_ctl");
  return {};
}

Result<void> Server::run(const Fd& stop) {
  const auto served = serve(stop);
  file_.remove();
  return served;
}

Result<void> Server::serve(const Fd& stop) {
  KS_TRY(watch(stop));
  std::array<epoll_event, 32> events;
  for (;;) {
    const int ready = ::epoll_wait(poll_.get(), events.data(), events.size(), -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail_errno(Reason::io_error, errno, "epoll_wait");
    for (const epoll_event& event : std::span(events.data(), static_cast<size_t>(ready))) {
      const int fd = event.data.fd;
      if (fd == stop.get()) return {};
      if (fd == listener_.get()) {
        on_connection();
        continue;
      }
      // A client closed earlier in this batch may have been replaced by one with the same fd;
      // its request is then read early, which is harmless.
      const auto client = clients_.find(fd);
      if (client != clients_.end() && !on_readable(client->second)) clients_.erase(client);
    }
  }
}

void Server::on_connection() {
  auto socket = link::accept_seqpacket(listener_);
  if (!socket) return;  // gone again, or EMFILE: the backlog keeps the others
  const auto peer = link::peer_credentials(*socket);
  if (!peer || !may_ask(peer->uid, extra_proxy_uid_, link::HoldOp::kList) ||
      clients_.size() >= kClientsMax) {
    spdlog::warn("component=hold reason=caller_not_allowed uid={} clients={} msg=\"refused\"",
                 peer ? peer->uid : ~0U, clients_.size());
    return;
  }
  const int fd = socket->get();
  if (watch(*socket)) clients_.insert_or_assign(fd, Client{std::move(*socket), peer->uid});
}

bool Server::on_readable(const Client& client) {
  link::HoldRequest request{};
  auto received =
      link::receive_message(client.socket, std::as_writable_bytes(std::span(&request, 1)));
  if (!received && received.error().os_errno == EAGAIN) return true;
  if (received && received->bytes == 0) return false;
  const bool whole = received && received->bytes == sizeof request &&
                     request.version == link::kHoldProtocolVersion;
  Result<Answer> answer = [&]() -> Result<Answer> {
    if (!whole)
      return fail(Reason::message_malformed, ErrorSource::kInternal, "size or protocol version");
    if (!may_ask(client.uid, extra_proxy_uid_, request.op))
      return fail(Reason::caller_not_allowed, ErrorSource::kInternal, "role");
    return inventory_.answer(request, std::move(received->fds));
  }();
  if (!answer) {
    const Error& error = answer.error();
    if (error.reason != Reason::not_found)
      spdlog::warn("component=hold op={} uid={} reason={} errno={} msg=\"{}\"",
                   static_cast<uint32_t>(request.op), client.uid, reason_name(error.reason),
                   error.os_errno, error.context);
    Answer refusal;
    refusal.reply.reason = static_cast<uint32_t>(error.reason);
    refusal.reply.os_errno = error.os_errno;
    answer = std::move(refusal);
  }
  std::vector<int> fds = answer->kept;
  for (const Fd& fd : answer->made) fds.push_back(fd.get());
  answer->reply.version = link::kHoldProtocolVersion;
  answer->reply.op = request.op;
  answer->reply.fd_count = static_cast<uint32_t>(fds.size());
  // Answered, also when malformed, so that the caller learns why; then a liar is disconnected.
  const auto sent =
      link::send_message(client.socket, std::as_bytes(std::span(&answer->reply, 1)), fds);
  return sent && whole;
}

}  // namespace keelson::hold
