// uninstall_cluster: takes Keelson off every node before its objects are deleted: what the chart's
// pre-delete hook runs. Asks the agents by an annotation on their service account, which names
// their DaemonSet (agent/retirement.h), waits until the NodeState of each node says that nothing is
// left there, and deletes the NodeStates. Tells what it waits for. The annotation stays: it goes
// with the service account, so that an agent that starts meanwhile installs nothing again.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "keelsonctl/cli.h"
#include "keelsonctl/cluster_api.h"

namespace keelson::ctl {

struct UninstallOptions {
  std::string ns = "keelson-system";
  std::chrono::seconds limit{240};
};

// Exit code: kExitOk; kExitFindings: some nodes are not done when the time is over;
// kExitCannotReach: the API server, or what it lets the caller do.
int uninstall_cluster(ClusterApi& api, const UninstallOptions& options, const Terminal& terminal);

// The pieces, pure.

struct AgentPod {
  std::string name, node;
  bool is_running =
      false;  // its container was started once; nothing has been put on the node before
  bool is_ready = false;
};
// Node -> uid of the DaemonSet whose agent has said that nothing is left there, empty: none has.
// Nodes without a NodeState are not in it.
using NodeMarks = std::map<std::string, std::string>;

struct NodeLeft {
  std::string node;
  std::string why;  // "agent keelson-agent-x is not ready"; may be empty
};
// Nodes that Keelson is still on, by name: where an agent of the DaemonSet `uid` has not said that
// nothing is left, and where none runs any more but one was (agent.nodeSelector was narrowed, say).
std::vector<NodeLeft> nodes_left(const std::vector<AgentPod>& agents, const NodeMarks& marks,
                                 const std::string& uid);

}  // namespace keelson::ctl
