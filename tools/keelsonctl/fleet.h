// Fleet: one command at the agents of several nodes at a time, through kubectl: which agents it is
// for, what each of them brought under the name of its node, one exit code. Rendering is the
// command's own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "keelsonctl/cli.h"
#include "keelsonctl/kubectl.h"

namespace keelson::ctl {

// Runs at one agent; writes to `terminal`, returns the exit code. Called by several threads.
using NodeCommand = std::function<int(const AgentLink& link, const Terminal& terminal)>;

struct FleetOptions {
  enum class Choice { kEveryNode, kOneForAll };
  std::string node;                    // empty: as `choice` says
  std::string caller;                  // "shop/web-1": the node that this pod is on
  Choice choice = Choice::kEveryNode;  // kOneForAll: each agent knows the answer
  bool json = false, stream = false;   // stream: lines as they come, whichever node says them
  bool names_node = false;             // the command's own text begins with the node's name
};

// Error: no kubectl, no agent, forbidden.
Result<std::vector<NodeAgent>> choose_agents(const Kubectl& kubectl, const FleetOptions& options);

int run_at(const std::vector<NodeAgent>& agents, const Kubectl& kubectl,
           const FleetOptions& options, const NodeCommand& command, const Terminal& terminal);

struct NodeOutcome {
  std::string node;
  int code = 0;
  std::string out, err;
};
// {"nodes":[{"node","code","answer"|"error"}]}. Pure.
std::string outcomes_json(const std::vector<NodeOutcome>& outcomes);

}  // namespace keelson::ctl
