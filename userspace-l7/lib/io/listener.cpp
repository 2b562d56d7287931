#include "io/listener.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace keelson::io {
namespace {

bool is_exhaustion(int os_errno) noexcept {
  return os_errno == EMFILE || os_errno == ENFILE || os_errno == ENOBUFS || os_errno == ENOMEM;
}

Failure listen_error(int os_errno, std::string name) {
  const Reason reason = os_errno == EADDRINUSE ? Reason::address_in_use : Reason::io_error;
  return fail_errno(reason, os_errno, "listening on " + std::move(name));
}

Result<void> refuse_other_files(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || S_ISSOCK(status.st_mode)) return {};
  return fail(Reason::address_in_use, ErrorSource::kConfig, path + " is not a socket; remove it");
}

}  // namespace

Result<Fd> listen_tcp(const Endpoint& at, int backlog) {
  sockaddr_storage address;
  const socklen_t length = at.to_sockaddr(address);
  Fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return listen_error(errno, at.to_string());
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ss_family == AF_INET6)
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) < 0 ||
      ::listen(fd.get(), backlog) < 0)
    return listen_error(errno, at.to_string());
  return fd;
}

Result<Fd> listen_unix(const std::string& path, mode_t mode, int backlog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string fresh = path + ".new";
  if (fresh.size() >= sizeof address.sun_path)
    return fail(Reason::bad_value, ErrorSource::kConfig, "socket path too long: " + path);
  std::memcpy(address.sun_path, fresh.data(), fresh.size());
  KS_TRY(refuse_other_files(path));
  ::unlink(fresh.c_str());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return listen_error(errno, path);
  // It takes the path when it listens and has its permissions: whoever connects finds one of both.
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      ::chmod(fresh.c_str(), mode) < 0 || ::listen(fd.get(), backlog) < 0 ||
      ::rename(fresh.c_str(), path.c_str()) < 0)
    return listen_error(errno, path);
  return fd;
}

Listener::Listener(EventLoop& loop, Fd listening, OnAccept on_accept)
    : fd_(std::move(listening)), on_accept_(std::move(on_accept)), resume_timer_(loop, [this] {
        if (!is_paused_) poll_->watch({.readable = true});
      }) {}

Result<std::unique_ptr<Listener>> Listener::open(EventLoop& loop, Fd listening,
                                                 OnAccept on_accept) {
  std::unique_ptr<Listener> listener(
      new Listener(loop, std::move(listening), std::move(on_accept)));
  Listener* self = listener.get();
  KS_ASSIGN(Poll poll,
            Poll::open(loop, self->fd_.get(), [self](Readiness) { self->accept_some(); }));
  self->poll_ = std::make_unique<Poll>(std::move(poll));
  self->poll_->watch({.readable = true});
  return listener;
}

void Listener::pause() noexcept {
  is_paused_ = true;
  resume_timer_.stop();
  poll_->watch({});
}

void Listener::resume() noexcept {
  is_paused_ = false;
  resume_timer_.stop();
  poll_->watch({.readable = true});
}

void Listener::accept_some() {
  // The callback may pause the listener; destroying it from there is the caller's bug.
  for (int i = 0; i < kAcceptsPerWake && !is_paused_; i++)
    if (!accept_one()) return;
}

void Listener::accept_rest() {
  for (int i = 0; i < kListenBacklog && accept_one(); i++) {
  }
}

bool Listener::accept_one() {
  Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    if (is_exhaustion(errno)) {
      counts_.exhausted++;
      poll_->watch({});
      resume_timer_.start(kAcceptPause);
      return false;
    }
    // accept(2): errors of the new connection arrive here too, and mean only that one is lost.
    counts_.aborted++;
    return true;
  }
  auto socket = Socket::adopt(std::move(fd));
  if (!socket) {
    counts_.aborted++;
    return true;
  }
  counts_.accepted++;
  on_accept_(std::move(*socket));
  return true;
}

}  // namespace keelson::io
