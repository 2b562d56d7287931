// AgentLink: the way to one agent's admin answers: its Unix socket on this machine (AdminClient),
// or `kubectl exec` into its pod (KubeLink). Blocking, one thread. It does not interpret answers
// beyond their status. An agent that does not answer is Reason::cannot_reach, whose context says
// where and why.
#pragma once

#include <sys/types.h>

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
// "/v1/why?from=shop/web-1"; slashes stay, so that it reads well.
std::string target_of(std::string_view path, const Query& query);

// A line without its end; false stops.
using OnLine = std::function<bool(std::string_view)>;

class AgentLink {
 public:
  virtual ~AgentLink() = default;
  // The whole answer.
  virtual Result<Reply> get(std::string_view path, const Query& query = {}) const = 0;
  // Calls `on_line` for each line as it comes, without a time limit. Of an answer that is not 200
  // no line is passed on: its body is in the reply.
  virtual Result<Reply> stream(std::string_view path, const Query& query,
                               const OnLine& on_line) const = 0;
  virtual std::string place() const = 0;   // "/run/keelson/agent.sock"
  virtual std::string advice() const = 0;  // what to do when it does not answer
};

}  // namespace keelson::ctl
