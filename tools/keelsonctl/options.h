// Options: what the command line says, parsed by cli.cpp. Plain data.
#pragma once

#include <optional>
#include <string>

#include "keelsonctl/kubectl.h"

namespace keelson::ctl {

struct Options {
  std::string run_dir = "/run/keelson";
  std::string node;  // of the cluster with kube.is_wanted, else of the lab
  std::string output = "table";
  unsigned timeout_seconds = 10;
  KubeOptions kube;
  bool own = false;        // ready
  bool pre = false;        // check
  std::string root;        // check --pre
  std::string from, to;    // why
  std::string map;         // bpf map
  std::string reason;      // reasons
  std::string target;      // raw
  bool lines = false;      // raw
  bool until_eof = false;  // raw
  bool cluster = false;    // uninstall
  unsigned wait_seconds = 240;
  struct {
    std::optional<unsigned> last;
    bool follow = false, no_follow = false;
    std::string from, to, verdict, reason;
  } observe;

  bool json() const { return output == "json"; }
  std::string socket_path() const {
    return (node.empty() ? run_dir : "/run/keelson-lab/" + node + "/run") + "/agent.sock";
  }
  // What to do when nobody answers there.
  std::string advice() const {
    return node.empty() ? "keelsonctl check (as root, on the node); in the lab: keelsonctl --node "
                          "NODE; in a cluster: kubectl keelson, or keelsonctl --kube"
                        : "tools/dev/lab up";
  }
};

}  // namespace keelson::ctl
