#include "support/tcp_peer.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/netns_thread.h"

namespace keelson::test {
namespace {

using Clock = std::chrono::steady_clock;

std::chrono::milliseconds left_until(Clock::time_point deadline) {
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

bool is_ready(int fd, short events, std::chrono::milliseconds patience) {
  pollfd watch{fd, events, 0};
  return ::poll(&watch, 1, static_cast<int>(patience.count())) > 0;
}

template <class Call>
Endpoint name_by(Call call, int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (call(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  auto name = Endpoint::from_sockaddr(address);
  return name ? *name : Endpoint{};
}

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

int connect_fd(int fd, const Endpoint& to, const ConnectOptions& options) {
  sockaddr_storage address{};
  if (options.source) {
    socklen_t length = options.source->to_sockaddr(address);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) return errno;
  }
  socklen_t length = to.to_sockaddr(address);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!is_ready(fd, POLLOUT, options.patience)) return ETIMEDOUT;
  return pending_error(fd);
}

}  // namespace

bool Connection::send(std::string_view text) const {
  while (!text.empty()) {
    ssize_t n = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN && is_ready(fd.get(), POLLOUT, std::chrono::seconds(5))) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string Connection::receive(size_t count, std::chrono::milliseconds patience) const {
  const auto deadline = Clock::now() + patience;
  std::string text;
  char part[4096];
  while (text.size() < count && is_ready(fd.get(), POLLIN, left_until(deadline))) {
    ssize_t n = ::recv(fd.get(), part, std::min(sizeof part, count - text.size()), 0);
    if (n <= 0) break;
    text.append(part, static_cast<size_t>(n));
  }
  return text;
}

int Connection::receive_exactly(size_t count, std::string& text,
                                std::chrono::milliseconds patience) const {
  const auto deadline = Clock::now() + patience;
  char part[65536];
  while (text.size() < count) {
    if (!is_ready(fd.get(), POLLIN, left_until(deadline))) return ETIMEDOUT;
    const ssize_t n = ::recv(fd.get(), part, std::min(sizeof part, count - text.size()), 0);
    if (n == 0) return ENODATA;
    if (n < 0 && errno != EAGAIN) return errno;
    if (n > 0) text.append(part, static_cast<size_t>(n));
  }
  return 0;
}

void Connection::shut_down_sending() const {
  ::shutdown(fd.get(), SHUT_WR);
}

void Connection::reset() {
  const linger at_once{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd.reset();
}

int Connection::wait_for_end(std::chrono::milliseconds patience) const {
  const auto deadline = Clock::now() + patience;
  char part[4096];
  while (is_ready(fd.get(), POLLIN, left_until(deadline))) {
    ssize_t n = ::recv(fd.get(), part, sizeof part, 0);
    if (n == 0) return 0;
    if (n < 0 && errno != EAGAIN) return errno;
  }
  return ETIMEDOUT;
}

Connection connect_here(const Endpoint& to, const ConnectOptions& options) {
  Connection connection;
  const auto start = Clock::now();
  int family = to.address.is_v4() ? AF_INET : AF_INET6;
  connection.fd = Fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  connection.error = connection.fd ? connect_fd(connection.fd.get(), to, options) : errno;
  connection.took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
  if (connection.error == 0) {
    connection.peer = name_by(::getpeername, connection.fd.get());
    connection.local = name_by(::getsockname, connection.fd.get());
  }
  return connection;
}

Connection connect_in(const std::string& netns_path, const Endpoint& to,
                      const ConnectOptions& options) {
  Connection connection;
  in_namespace(netns_path, [&] { connection = connect_here(to, options); });
  return connection;
}

Endpoint endpoint(std::string_view address, uint16_t port) {
  auto parsed = IpAddress::parse(address);
  if (!parsed) {
    std::fprintf(stderr, "not an address: %.*s\n", static_cast<int>(address.size()),
                 address.data());
    std::abort();
  }
  return {*parsed, port};
}

namespace {

// Answers errno, and leaves an empty listener or one that does not listen, when it cannot.
int open_listener(const std::string& netns_path, const Endpoint& at, Fd& listener) {
  int error = 0;
  in_namespace(netns_path, [&] {
    int family = at.address.is_v4() ? AF_INET : AF_INET6;
    listener = Fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int on = 1, off = 0;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6)
      ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    sockaddr_storage to{};
    socklen_t length = at.to_sockaddr(to);
    if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&to), length) != 0 ||
        ::listen(listener.get(), 4096) != 0)
      error = errno;
  });
  return error;
}

}  // namespace

Acceptor::Acceptor(const std::string& netns_path, uint16_t port) {
  if (const int error = open_listener(netns_path, endpoint("::", port), listener_); error != 0) {
    std::fprintf(stderr, "listen on %u: %s\n", port, std::strerror(error));
    std::abort();
  }
}

Connection Acceptor::accept(std::chrono::milliseconds patience) const {
  Connection connection;
  connection.error = ETIMEDOUT;
  if (!is_ready(listener_.get(), POLLIN, patience)) return connection;
  connection.fd = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  connection.error = connection.fd ? 0 : errno;
  connection.peer = name_by(::getpeername, connection.fd.get());
  connection.local = name_by(::getsockname, connection.fd.get());
  return connection;
}

TcpServer::TcpServer(const std::string& netns_path, uint16_t port, std::string banner,
                     std::string_view address)
    : banner_(std::move(banner)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  listen_error_ = open_listener(netns_path, endpoint(address, port), listener_);
  thread_ = std::thread([this] { serve(); });
}

TcpServer::~TcpServer() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

size_t TcpServer::accepted() const {
  std::lock_guard lock(mutex_);
  return accept_peers_.size();
}

std::vector<Endpoint> TcpServer::accept_peers() const {
  std::lock_guard lock(mutex_);
  return accept_peers_;
}

std::vector<Endpoint> TcpServer::getpeername_peers() const {
  std::lock_guard lock(mutex_);
  return getpeername_peers_;
}

std::string TcpServer::received() const {
  std::lock_guard lock(mutex_);
  return received_;
}

void TcpServer::serve() {
  for (;;) {
    std::vector<pollfd> watched = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Fd& connection : connections_) watched.push_back({connection.get(), POLLIN, 0});
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    if (watched[0].revents != 0) return;
    for (size_t i = watched.size(); i-- > 2;)
      if (watched[i].revents != 0) echo(i - 2);
    if (watched[1].revents != 0) take_connection();
  }
}

void TcpServer::take_connection() {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  Fd connection(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!connection) return;
  auto peer = Endpoint::from_sockaddr(address);
  {
    std::lock_guard lock(mutex_);
    accept_peers_.push_back(peer ? *peer : Endpoint{});
    getpeername_peers_.push_back(name_by(::getpeername, connection.get()));
  }
  ::send(connection.get(), banner_.data(), banner_.size(), MSG_NOSIGNAL);
  connections_.push_back(std::move(connection));
}

void TcpServer::echo(size_t index) {
  char part[4096];
  ssize_t n = ::recv(connections_[index].get(), part, sizeof part, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    connections_.erase(connections_.begin() + static_cast<ptrdiff_t>(index));
    return;
  }
  {
    std::lock_guard lock(mutex_);
    received_.append(part, static_cast<size_t>(n));
  }
  ::send(connections_[index].get(), part, static_cast<size_t>(n), MSG_NOSIGNAL);
}

}  // namespace keelson::test
