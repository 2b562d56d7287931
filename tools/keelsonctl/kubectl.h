// Kubectl: the agents of a cluster and the way into their pods, by running the user's own kubectl:
// its contexts, logins and rights are what counts, and nothing of them is read here. Blocking; may
// be used by several threads. Errors: cannot_reach, caller_not_allowed, not_found; each says what
// kubectl said.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "keelsonctl/agent_link.h"
#include "keelsonctl/process.h"

namespace keelson::ctl {

struct KubeOptions {
  bool is_wanted = false;
  std::string ns = "keelson-system";  // of the agents
  std::string context, kubeconfig;    // empty: kubectl's own choice
};

// The agent that a node has: of several pods the one to ask.
struct NodeAgent {
  std::string node, pod;
  std::string problem;  // "Pending"; empty: it runs
};

class Kubectl {
 public:
  // `runner` outlives it.
  Kubectl(const Runner& runner, KubeOptions options, std::chrono::milliseconds limit)
      : runner_(runner), options_(std::move(options)), limit_(limit) {}

  Result<std::vector<NodeAgent>> agents() const;
  Result<std::string> node_of(const std::string& ns, const std::string& pod) const;
  // keelsonctl in an agent's pod. `on_line` set: its lines are passed on, without a time limit.
  Result<Ended> keelsonctl(const std::string& pod, const std::vector<std::string>& words,
                           const OnLine& on_line = nullptr,
                           const Runner::GoOn& go_on = nullptr) const;
  // A command that a person can run: "kubectl -n keelson-system get pods".
  std::string hint(std::string_view command) const;
  const KubeOptions& options() const noexcept { return options_; }

 private:
  std::vector<std::string> words(const std::string& ns) const;

  const Runner& runner_;
  KubeOptions options_;
  std::chrono::milliseconds limit_;
};

// The pieces, pure.
// From a list of pods: one a node, by name.
Result<std::vector<NodeAgent>> read_agents(std::string_view pods_json);
// What is wrong when kubectl itself failed.
Error kubectl_error(const Ended& ended);
// True when the exit code is that of the program that `kubectl exec` ran.
bool is_remote_exit(const Ended& ended);

}  // namespace keelson::ctl
