#include "listener.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <unordered_map>

namespace keelson::probe {
namespace {

constexpr int kBacklog = 4096;
constexpr int kEventsAtOnce = 64;

Result<void> watch(const Fd& epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.fd = fd;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return fail_errno(Reason::io_error, errno, "epoll_ctl");
  return {};
}

// False: the other end is gone.
bool drain(int fd) {
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EINTR;
  }
}

using Connections = std::unordered_map<int, Fd>;

Result<void> accept_all(const Fd& epoll, const Fd& listening, Connections& connections) {
  while (true) {
    Fd accepted(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!accepted && errno == EAGAIN) return {};
    if (!accepted && (errno == ECONNABORTED || errno == EINTR)) continue;
    if (!accepted) return fail_errno(Reason::io_error, errno, "accept4");
    KS_TRY(watch(epoll, accepted.get()));
    const int fd = accepted.get();
    connections.emplace(fd, std::move(accepted));
  }
}

}  // namespace

Result<Fd> listen_on(const Endpoint& at) {
  sockaddr_storage address{};
  const socklen_t length = at.to_sockaddr(address);
  Fd listening(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!listening || ::setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(listening.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::listen(listening.get(), kBacklog) != 0)
    return fail_errno(Reason::io_error, errno, "listen on " + at.to_string());
  return listening;
}

Result<uint16_t> local_port(const Fd& listening) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return fail_errno(Reason::io_error, errno, "getsockname");
  KS_ASSIGN(const Endpoint at, Endpoint::from_sockaddr(address));
  return at.port;
}

Result<void> serve(const Fd& listening, const Fd& stop) {
  const Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno(Reason::io_error, errno, "epoll_create1");
  KS_TRY(watch(epoll, listening.get()));
  KS_TRY(watch(epoll, stop.get()));
  Connections connections;
  std::array<epoll_event, kEventsAtOnce> events{};
  while (true) {
    const int ready = ::epoll_wait(epoll.get(), events.data(), kEventsAtOnce, -1);
    if (ready < 0 && errno != EINTR) return fail_errno(Reason::io_error, errno, "epoll_wait");
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == stop.get()) return {};
      if (fd == listening.get())
        KS_TRY(accept_all(epoll, listening, connections));
      else if (!drain(fd))
        connections.erase(fd);
    }
  }
}

}  // namespace keelson::probe
