#include "io/connect.h"

#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace keelson::io {
namespace {

Error connect_error(int os_errno, const std::string& name) {
  const bool refused = os_errno == ECONNREFUSED || os_errno == ENOENT;
  return {refused ? Reason::connect_refused : Reason::connect_failed, ErrorSource::kUpstream, true,
          os_errno, "connecting to " + name};
}

bool fill_unix(sockaddr_un& address, const std::string& path) noexcept {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  return true;
}

}  // namespace

Connect::Connect(EventLoop& loop, OnDone on_done)
    : on_done_(std::move(on_done)),
      deferred_(loop, [this] { finish(Failure(std::move(error_))); }) {}

std::unique_ptr<Connect> Connect::start(EventLoop& loop, Fd socket, const Endpoint& to,
                                        OnDone on_done) {
  std::unique_ptr<Connect> attempt(new Connect(loop, std::move(on_done)));
  sockaddr_storage address;
  const socklen_t length = to.to_sockaddr(address);
  attempt->begin(loop, std::move(socket), address, length, to.to_string());
  return attempt;
}

std::unique_ptr<Connect> Connect::start(EventLoop& loop, const Endpoint& to, OnDone on_done) {
  const int family = to.address.is_v4() ? AF_INET : AF_INET6;
  Fd socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int os_errno = errno;
  if (socket) return start(loop, std::move(socket), to, std::move(on_done));
  std::unique_ptr<Connect> attempt(new Connect(loop, std::move(on_done)));
  attempt->finish_later(connect_error(os_errno, to.to_string()));
  return attempt;
}

std::unique_ptr<Connect> Connect::start_unix(EventLoop& loop, const std::string& path,
                                             OnDone on_done) {
  std::unique_ptr<Connect> attempt(new Connect(loop, std::move(on_done)));
  sockaddr_un address;
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) {
    attempt->finish_later(connect_error(errno, path));
  } else if (!fill_unix(address, path)) {
    attempt->finish_later(connect_error(ENAMETOOLONG, path));
  } else {
    sockaddr_storage storage{};
    std::memcpy(&storage, &address, sizeof address);
    attempt->begin(loop, std::move(socket), storage, sizeof address, path);
  }
  return attempt;
}

void Connect::begin(EventLoop& loop, Fd fd, const sockaddr_storage& to, socklen_t length,
                    const std::string& name) {
  name_ = name;
  auto socket = Socket::adopt(std::move(fd));
  if (!socket) return finish_later(std::move(socket).error());
  socket_ = std::move(*socket);
  const bool connected =
      ::connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&to), length) == 0;
  // EINTR: the attempt goes on in the background (connect(2)).
  if (!connected && errno != EINPROGRESS && errno != EINTR)
    return finish_later(connect_error(errno, name_));
  auto poll = Poll::open(loop, socket_.fd(), [this](Readiness) { on_ready(); });
  if (!poll) return finish_later(std::move(poll).error());
  poll_ = std::make_unique<Poll>(std::move(*poll));
  poll_->watch({.writable = true});
}

void Connect::on_ready() {
  const int os_errno = socket_.take_error();
  if (os_errno != 0) return finish(Failure(connect_error(os_errno, name_)));
  finish(std::move(socket_));
}

void Connect::finish_later(Error error) {
  error_ = std::move(error);
  deferred_.start(std::chrono::milliseconds(0));
}

void Connect::finish(Result<Socket> result) {
  poll_.reset();  // the next owner watches the socket itself
  const OnDone done = std::move(on_done_);
  done(std::move(result));  // may destroy this
}

Result<Fd> connect_unix_blocking(const std::string& path) {
  sockaddr_un address;
  if (!fill_unix(address, path)) return Failure(connect_error(ENAMETOOLONG, path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return Failure(connect_error(errno, path));
  return fd;
}

}  // namespace keelson::io
