// Loader: the four kernel objects of this agent: loads them on the pinned maps, attaches them (the
// cgroup v2 root once, sk_lookup and the source check per pod) and pins every link, so that a
// restart updates the programs in place and a dead agent leaves everything working. Agent loop
// only. Writes no configuration rows and decides nothing about pods.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "datapath/pins.h"
#include "datapath/pod_hooks.h"

namespace keelson::datapath {

struct LoaderOptions {
  std::string pin_dir = "/sys/fs/bpf/keelson";
  std::string cgroup;  // empty: the cgroup v2 root, found in /proc/self/mountinfo
};

class Loader final : public PodHooks {
 public:
  // Loads and creates or joins the pinned maps; attaches nothing. Error: bpf_load_failed,
  // kernel_feature_missing.
  static Result<std::unique_ptr<Loader>> load(const LoaderOptions& options);
  ~Loader() override;

  // The hooks at the cgroup v2 root, and away with links whose target is gone.
  Result<void> attach_node();
  // Removes every link (not the maps): the node is left as if there were no mesh.
  Result<void> detach_all();
  // That, and every pin: nothing of Keelson outlives this process and those that it gave maps to.
  Result<void> remove_all();
  // Removes rows of ks_tuple last refreshed at or before `not_after_ns` (CLOCK_MONOTONIC) and
  // gives their budgets back. Stay above 180 s: bpf/sock_ops.bpf.c. Returns how many.
  Result<uint64_t> sweep_tuples(uint64_t not_after_ns);
  const Pins& pins() const noexcept { return pins_; }
  bool uses_tcx() const noexcept { return tcx_; }
  // Descriptors of all that it loaded; they stay its own.
  std::vector<int> programs() const;

  int tag_map() const noexcept override;
  Result<void> install_listeners(uint32_t slot, const SlotListeners& listeners) override;
  Result<void> attach_lookup(uint32_t slot, const std::string& netns_path) override;
  Result<void> attach_source_check(uint32_t host_ifindex) override;
  bool lookup_attached(uint32_t slot, const std::string& netns_path) const override;
  bool listeners_installed(uint32_t slot, const SlotListeners& listeners) const override;
  bool source_check_attached(uint32_t host_ifindex) const override;
  std::vector<uint32_t> attached_slots() const override;
  Result<void> release(uint32_t slot, uint32_t host_ifindex, uint64_t netns_cookie) override;

 private:
  struct Programs;
  Loader(Pins pins, Fd cgroup, uint64_t cgroup_id, std::unique_ptr<Programs> programs);
  void remove_stale_links();
  Result<void> detach_filters();

  Pins pins_;
  Fd cgroup_;
  uint64_t cgroup_id_;
  std::unique_ptr<Programs> programs_;
  bool tcx_;
};

// Of the calling thread's network namespace: the key of the node's own ks_pod row.
Result<uint64_t> own_netns_cookie();

// Last message of libbpf that it calls a warning, for people; empties it. Loading happens on one
// thread, but the callback is the process's.
std::string take_libbpf_warning();

}  // namespace keelson::datapath
