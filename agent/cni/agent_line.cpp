#include "cni/agent_line.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace keelson::cni {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr size_t kAnswerBytesMax = 65536;

tl::unexpected<CniError> silent(std::string how) {
  return tl::unexpected(CniError{kTryAgainLater, std::move(how), ""});
}

int remaining_ms(SteadyTime deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

Expected<void> wait(const Fd& socket, short events, SteadyTime deadline, const std::string& path) {
  for (;;) {
    pollfd entry{socket.get(), events, 0};
    const int ready = ::poll(&entry, 1, remaining_ms(deadline));
    if (ready > 0) return {};
    if (ready == 0) return silent("keelson-agent at " + path + " does not answer in time");
    if (errno != EINTR) return silent(std::string("poll: ") + std::strerror(errno));
  }
}

Expected<Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return silent("the agent's socket path " + path + " is longer than a Unix socket's may be");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return silent(std::string("socket: ") + std::strerror(errno));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return silent("keelson-agent is not there: connect " + path + ": " + std::strerror(errno));
  return socket;
}

Expected<void> send_all(const Fd& socket, std::string_view bytes, SteadyTime deadline,
                        const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EAGAIN) {
      if (auto writable = wait(socket, POLLOUT, deadline, path); !writable) return writable;
    } else if (errno != EINTR) {
      return silent("keelson-agent at " + path + " went away: " + std::strerror(errno));
    }
  }
  return {};
}

Expected<std::string> read_to_end(const Fd& socket, SteadyTime deadline, const std::string& path) {
  std::string text;
  char buffer[4096];
  while (text.size() < kAnswerBytesMax) {
    const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (got == 0) return text;
    if (got > 0) {
      text.append(buffer, static_cast<size_t>(got));
    } else if (errno == EAGAIN) {
      if (auto readable = wait(socket, POLLIN, deadline, path); !readable)
        return tl::unexpected(readable.error());
    } else if (errno != EINTR) {
      return silent("keelson-agent at " + path + " went away: " + std::strerror(errno));
    }
  }
  return silent("keelson-agent at " + path + " answers without end");
}

// An empty body after a whole head: the agent ended while the pod waited.
Expected<CniError> read_answer(const std::string& text, const std::string& path) {
  const size_t end = text.find("\r\n\r\n");
  const bool is_ok = text.starts_with("HTTP/1.1 200") || text.starts_with("HTTP/1.0 200");
  if (end == std::string::npos || end + 4 == text.size())
    return silent("keelson-agent at " + path + " ended before it answered");
  if (!is_ok)  // not to be repeated: it would be refused again
    return tl::unexpected(CniError{
        kUndecodable, "keelson-agent at " + path + " refuses: " + text.substr(end + 4), ""});
  return decode_answer(std::string_view(text).substr(end + 4));
}

Expected<CniError> ask_once(const std::string& path, const std::string& request,
                            SteadyTime deadline) {
  const auto socket = connect_to(path);
  if (!socket) return tl::unexpected(socket.error());
  if (auto sent = send_all(*socket, request, deadline, path); !sent)
    return tl::unexpected(sent.error());
  const auto text = read_to_end(*socket, deadline, path);
  if (!text) return tl::unexpected(text.error());
  return read_answer(*text, path);
}

}  // namespace

Expected<CniError> SocketAgentLine::ask(const std::string& socket, std::string_view path,
                                        std::string_view body, milliseconds limit) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + limit;
  const std::string request = "POST " + std::string(path) +
                              " HTTP/1.0\r\nhost: agent\r\ncontent-type: application/json\r\n"
                              "content-length: " +
                              std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  for (;;) {
    auto answer = ask_once(socket, request, deadline);
    if (answer || answer.error().code != kTryAgainLater) return answer;
    if (remaining_ms(deadline) <= retry_after_.count()) return answer;
    ::poll(nullptr, 0, static_cast<int>(retry_after_.count()));
  }
}

}  // namespace keelson::cni
