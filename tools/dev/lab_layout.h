// Layout: every name, path and address that a lab uses, derived from its prefix, so that what one
// run made can be found and removed by another. A lab is two nodes on one kernel: network
// namespaces PREFIX-NODE and PREFIX-NODE-POD, folders under /run/PREFIX, cgroups under
// CGROUP2/PREFIX. Pure but for find_cgroup2(); any thread. Does not create or remove anything.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::lab {

enum class Component : uint8_t { kHold, kAgent, kProxy };
inline constexpr Component kComponents[] = {Component::kHold, Component::kAgent, Component::kProxy};
std::string_view component_name(Component component) noexcept;  // "hold", "agent", "proxy"
Result<Component> component_from(std::string_view name);
std::string component_program(Component component);  // "keelson-hold"

struct Layout {
  std::string prefix = "keelson-lab";
  std::vector<std::string> nodes = {"node1", "node2"};
  std::set<Component> without;  // components that are not started
  std::string bin_dir;          // where the programs are
  unsigned proxy_workers = 0;   // 0: as many as keelson-l7 starts by itself
  // Of /proc/sys/net, in every namespace as it is made: "ipv4/tcp_congestion_control" -> "cubic".
  std::map<std::string, std::string> sysctls;

  // 1, 2: the <n> of 10.244.<n>.0/24. 0: no such node.
  int node_number(std::string_view node) const noexcept;

  std::string netns(std::string_view node) const { return prefix + "-" + std::string(node); }
  std::string netns(std::string_view node, std::string_view pod) const {
    return netns(node) + "-" + std::string(pod);
  }
  std::string run_root() const { return "/run/" + prefix; }
  std::string lock_file() const { return run_root() + ".lock"; }
  std::string control_socket() const { return run_root() + "/lab.sock"; }
  std::string supervisor_pid_file() const { return run_root() + "/supervisor.pid"; }
  std::string supervisor_log() const { return run_root() + "/supervisor.log"; }
  std::string scratch_dir() const { return run_root() + "/scratch"; }
  std::string objects_dir() const { return run_root() + "/objects"; }
  std::string nodestate_dir() const { return run_root() + "/nodestate"; }
  std::string ca_dir() const { return run_root() + "/ca"; }  // one root for all nodes
  std::string pid_dir() const { return run_root() + "/pids"; }
  std::string hosts_file(std::string_view ns) const {
    return run_root() + "/hosts/" + std::string(ns);
  }
  std::string node_dir(std::string_view node) const { return run_root() + "/" + std::string(node); }
  std::string run_dir(std::string_view node) const { return node_dir(node) + "/run"; }
  std::string bpffs(std::string_view node) const { return node_dir(node) + "/bpf"; }
  std::string pin_dir(std::string_view node) const { return bpffs(node) + "/keelson"; }
  std::string state_dir(std::string_view node) const { return node_dir(node) + "/state"; }
  std::string log_dir(std::string_view node) const { return node_dir(node) + "/logs"; }
  std::string agent_socket(std::string_view node) const { return run_dir(node) + "/agent.sock"; }
  std::string pod_dir(std::string_view node, std::string_view pod) const {
    return node_dir(node) + "/pods/" + std::string(pod);
  }
  std::string component_log(std::string_view node, Component component) const;
  std::string pod_log(std::string_view node, std::string_view pod) const;

  bool is_without(Component component) const { return without.count(component) != 0; }
  // Program file and arguments of a node's component.
  std::vector<std::string> component_command(std::string_view node, Component component) const;
};

std::string netns_path(std::string_view name);  // /run/netns/NAME

inline constexpr int kPodSlotFirst = 10;  // 10.244.<n>.10 is a node's first pod
inline constexpr int kPodSlotLast = 250;
std::string gateway4(int node_number);
std::string gateway6(int node_number);
std::string pod_address4(int node_number, int slot);
std::string pod_address6(int node_number, int slot);
std::string node_address4(int node_number);
std::string node_address6(int node_number);
std::string cluster_ip4(int index);  // 1: 10.96.0.1
std::string cluster_ip6(int index);

// Mount point of cgroup v2, also on a hybrid host. Error: kernel_feature_missing.
Result<std::string> find_cgroup2();

// Folder of the running program, or $KEELSON_BIN when set.
std::string find_bin_dir();

}  // namespace keelson::lab
