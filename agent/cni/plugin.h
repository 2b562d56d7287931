// Plugin: what keelson-cni does for one call of a container runtime. A pod's start waits here until
// its node has enrolled it; without an agent only exempt pods start; a deletion never fails for
// want of one. Everything it asks goes through AgentLine, so that tests replace the agent. One
// thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "cni/invocation.h"

namespace keelson::cni {

// One request to the agent. Blocks at most `limit`.
class AgentLine {
 public:
  virtual ~AgentLine() = default;
  // The agent's answer; Error: nobody answered in time (kTryAgainLater; the message says how).
  virtual Expected<CniError> ask(const std::string& socket, std::string_view path,
                                 std::string_view body, std::chrono::milliseconds limit) = 0;
};

struct Output {
  int exit_status = 0;
  std::string text;     // standard output: a result, an error, or nothing
  std::string warning;  // standard error
};

// An error as the specification writes it.
Output refusal_output(std::string_view cni_version, const CniError& error);

Output run_plugin(const Environment& environment, std::string_view netconf, AgentLine& agent);

}  // namespace keelson::cni
