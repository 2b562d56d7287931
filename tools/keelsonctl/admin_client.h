// AdminClient: HTTP requests to a socket of an agent, by libcurl over the Unix socket. Blocking,
// one thread. It does not interpret answers beyond their status. An agent that does not answer is
// Reason::cannot_reach, whose context says which socket and why.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace keelson::ctl {

struct Reply {
  int status = 0;
  std::string body;
  // Who listens at the socket, as numbered here; 0: nobody that this pid namespace has, such as the
  // agent of another pod of this node (SO_PEERCRED, unix(7), pid_namespaces(7)).
  pid_t listener = 0;
};

using Query = std::vector<std::pair<std::string, std::string>>;

class AdminClient {
 public:
  AdminClient(std::string socket_path, std::chrono::milliseconds timeout);

  // The whole answer, at most kReplyBytesMax.
  Result<Reply> get(std::string_view path, const Query& query = {}) const;

  // The same for a POST of JSON.
  Result<Reply> post(std::string_view path, const std::string& body) const;

  // Calls `on_line` for each line (without its end) as it comes, without a time limit; false stops.
  // Of an answer that is not 200 no line is passed on: its body is in the reply.
  using OnLine = std::function<bool(std::string_view)>;
  Result<Reply> stream(std::string_view path, const Query& query, const OnLine& on_line) const;

  const std::string& socket_path() const noexcept { return socket_path_; }
  static constexpr size_t kReplyBytesMax = 256u << 20;
  static constexpr size_t kLineBytesMax = 1u << 20;

 private:
  std::string socket_path_;
  std::chrono::milliseconds timeout_;
};

}  // namespace keelson::ctl
