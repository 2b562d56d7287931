#include "lab_control.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace keelson::lab {
namespace {

constexpr int kDeadlineSeconds = 30;  // creating many pods takes a while on a busy machine

Result<sockaddr_un> control_address(const Layout& layout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = layout.control_socket();
  if (path.size() >= sizeof address.sun_path)
    return fail(Reason::bad_value, ErrorSource::kConfig, path + ": too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

void set_deadline(int fd) {
  timeval wait{kDeadlineSeconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

Result<void> send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(Reason::cannot_reach, errno, "lab.sock");
    text.remove_prefix(static_cast<size_t>(n));
  }
  ::shutdown(fd, SHUT_WR);
  return {};
}

Result<nlohmann::json> receive_json(int fd) {
  std::string text;
  char part[65536];
  for (ssize_t n; (n = ::recv(fd, part, sizeof part, 0)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(Reason::cannot_reach, errno, "lab.sock");
    text.append(part, static_cast<size_t>(n));
  }
  auto value = nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded())
    return fail(Reason::message_malformed, ErrorSource::kInternal, "lab.sock: not JSON");
  return value;
}

}  // namespace

Result<Fd> listen_control(const Layout& layout) {
  KS_ASSIGN(sockaddr_un address, control_address(layout));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(address.sun_path, 0600) != 0 || ::listen(fd.get(), 16) != 0)
    return fail_errno(Reason::io_error, errno, layout.control_socket());
  return fd;
}

Result<nlohmann::json> receive_request(int connection) {
  set_deadline(connection);
  return receive_json(connection);
}

void send_reply(int connection, const nlohmann::json& reply) {
  // A client that went away needs no answer.
  [[maybe_unused]] auto sent =
      send_all(connection, reply.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Result<nlohmann::json> ask(const Layout& layout, const nlohmann::json& request) {
  KS_ASSIGN(sockaddr_un address, control_address(layout));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(Reason::io_error, errno, "socket");
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail(Reason::cannot_reach, ErrorSource::kConfig,
                fmt::format("no lab named {} is up: start it with `lab up`", layout.prefix));
  set_deadline(fd.get());
  KS_TRY(
      send_all(fd.get(), request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  KS_ASSIGN(nlohmann::json reply, receive_json(fd.get()));
  if (!reply.value("ok", false))
    return fail(Reason::bad_value, ErrorSource::kConfig, reply.value("error", "no reason given"));
  return reply;
}

}  // namespace keelson::lab
