// null-relay: what any proxy must at least do, and nothing else: recv and send, no parsing. It is
// the floor under every figure of the yardstick. One thread, one epoll set, one 64 KiB buffer, one
// upstream connection for each accepted one. Half-close is passed on; while one side takes no more,
// the other is not read. A connection that breaks takes its partner with it.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "base/ip_address.h"

namespace keelson {
namespace {

struct Pair;

struct Side {
  Fd fd;
  Pair* pair = nullptr;
  Side* other = nullptr;
  bool is_connecting = false;
  bool has_ended = false;          // its end of stream was read
  std::string untaken;             // read from the other side, not yet taken by this one
  std::optional<uint32_t> events;  // as epoll knows them

  bool can_take() const { return !is_connecting && untaken.empty(); }
};

struct Pair {
  Side client, upstream;
  bool is_over = false;
};

class Relay {
 public:
  Relay(Fd listener, const Endpoint& to)
      : listener_(std::move(listener)), to_(to), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{EPOLLIN, {nullptr}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events;
    for (;;) {
      const int count = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
      for (int i = 0; i < count; i++) {
        auto* side = static_cast<Side*>(events[static_cast<size_t>(i)].data.ptr);
        if (side == nullptr)
          accept_all();
        else if (!side->pair->is_over)
          on_ready(*side, events[static_cast<size_t>(i)].events);
      }
      for (Pair* pair : over_) pairs_.erase(pair);  // no event of this batch names it any more
      over_.clear();
    }
  }

 private:
  void accept_all() {
    for (;;) {
      Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) return;
      auto pair = std::make_unique<Pair>();
      sockaddr_storage address;
      const socklen_t length = to_.to_sockaddr(address);
      pair->upstream.fd = Fd(socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0));
      pair->upstream.is_connecting = true;
      pair->client.fd = std::move(fd);
      join(*pair, pair->client, pair->upstream);
      join(*pair, pair->upstream, pair->client);
      if (connect(pair->upstream.fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 &&
          errno != EINPROGRESS)
        continue;  // the client sees its connection end
      watch(pair->client);
      watch(pair->upstream);
      pairs_.emplace(pair.get(), std::move(pair));
    }
  }

  static void join(Pair& pair, Side& side, Side& other) {
    side.pair = &pair;
    side.other = &other;
    const int on = 1;
    setsockopt(side.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  void on_ready(Side& side, uint32_t events) {
    if ((events & EPOLLERR) != 0) return end(*side.pair);
    if ((events & EPOLLOUT) != 0) {
      side.is_connecting = false;
      if (!side.untaken.empty() && !send_untaken(side)) return end(*side.pair);
    }
    if ((events & (EPOLLIN | EPOLLHUP)) != 0 && !side.has_ended && side.other->can_take() &&
        !pump(side, *side.other))
      return end(*side.pair);
    if (side.has_ended && side.other->has_ended && side.untaken.empty() &&
        side.other->untaken.empty())
      return end(*side.pair);
    watch(side);
    watch(*side.other);
  }

  // False: the pair is broken.
  bool pump(Side& from, Side& to) {
    const ssize_t got = recv(from.fd.get(), buffer_.data(), buffer_.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) {
      from.has_ended = true;
      return shutdown(to.fd.get(), SHUT_WR) == 0;
    }
    const auto bytes = static_cast<size_t>(got);
    const ssize_t sent = send(to.fd.get(), buffer_.data(), bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
    to.untaken.assign(buffer_.data() + taken, bytes - taken);
    return true;
  }

  static bool send_untaken(Side& side) {
    const ssize_t sent =
        send(side.fd.get(), side.untaken.data(), side.untaken.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    side.untaken.erase(0, static_cast<size_t>(sent));
    return true;
  }

  void watch(Side& side) {
    uint32_t wanted = 0;
    if (!side.has_ended && side.other->can_take()) wanted |= EPOLLIN;
    if (!side.can_take()) wanted |= EPOLLOUT;
    if (wanted == side.events) return;
    epoll_event event{wanted, {&side}};
    epoll_ctl(epoll_.get(), side.events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, side.fd.get(), &event);
    side.events = wanted;
  }

  void end(Pair& pair) {
    pair.is_over = true;
    pair.client.fd.reset();
    pair.upstream.fd.reset();
    over_.push_back(&pair);
  }

  Fd listener_;
  Endpoint to_;
  Fd epoll_;
  std::array<char, 64u << 10> buffer_;
  std::unordered_map<Pair*, std::unique_ptr<Pair>> pairs_;
  std::vector<Pair*> over_;
};

// Listens and tells where: port 0 becomes the one the kernel picked.
Fd listen_on(const Endpoint& endpoint) {
  sockaddr_storage address;
  socklen_t length = endpoint.to_sockaddr(address);
  Fd fd(socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(fd.get(), SOMAXCONN) != 0)
    return Fd();
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
  if (const auto bound = Endpoint::from_sockaddr(address))
    std::printf("null-relay: listening on %s\n", bound->to_string().c_str());
  std::fflush(stdout);
  return fd;
}

}  // namespace
}  // namespace keelson

int main(int argc, char** argv) {
  using namespace keelson;
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const bool is_usage =
      arguments.size() == 4 && arguments[0] == "--listen" && arguments[2] == "--to";
  const auto from = Endpoint::parse(is_usage ? arguments[1] : "");
  const auto to = Endpoint::parse(is_usage ? arguments[3] : "");
  if (!from || !to) {
    std::fprintf(stderr, "usage: null-relay --listen ADDR:PORT --to ADDR:PORT\n");
    return 2;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Fd listener = listen_on(*from);
  if (!listener) {
    std::perror("null-relay: cannot listen");
    return 1;
  }
  std::make_unique<Relay>(std::move(listener), *to)->run();
}
