#include "tcp_echo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <vector>

namespace keelson::test {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int fd, const char* bytes, size_t count) {
  while (count > 0) {
    const ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    count -= static_cast<size_t>(sent);
  }
  return true;
}

void echo(Fd connection) {
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = recv(connection.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0 || !send_all(connection.get(), buffer.data(), static_cast<size_t>(got))) return;
  }
}

}  // namespace

TcpEcho::TcpEcho(uint16_t port) : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = loopback(port);
  const int on = 1;
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_.get(), 16) != 0)
    std::abort();
  thread_ = std::thread([this] { serve(); });
}

TcpEcho::~TcpEcho() {
  shutdown(listener_.get(), SHUT_RDWR);  // ends accept()
  thread_.join();
}

void TcpEcho::serve() {
  std::vector<std::thread> connections;
  for (;;) {
    Fd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) break;
    // A peer that never ends must not hang the test's end.
    const timeval patience{10, 0};
    setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    connections.emplace_back(echo, std::move(connection));
  }
  for (std::thread& connection : connections) connection.join();
}

TcpCaller::TcpCaller(uint16_t port, std::string text)
    : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = loopback(port);
  if (connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    std::abort();
  thread_ = std::thread([this, sent = std::move(text)] { call(sent); });
}

TcpCaller::~TcpCaller() {
  shutdown(socket_.get(), SHUT_RDWR);
  thread_.join();
}

void TcpCaller::call(const std::string& text) {
  std::array<char, 16384> buffer;
  send_all(socket_.get(), text.data(), text.size());
  shutdown(socket_.get(), SHUT_WR);
  ssize_t got;
  while ((got = recv(socket_.get(), buffer.data(), buffer.size(), 0)) > 0)
    received_.append(buffer.data(), static_cast<size_t>(got));
  is_clean_end_ = got == 0;
  is_done_ = true;
}

}  // namespace keelson::test
