// PodHooks: what enrolment (agent/pods) asks of the kernel for one pod, as an interface that tests
// replace; the Loader implements it. Agent loop only. Rows of the configuration maps are not its
// business: those go through rollout::MapWriter.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "keelson_abi/abi.h"

namespace keelson::datapath {

// fds by KS_LISTENER_INDEX with slot 0; without a descriptor: the pod has no such family.
using SlotListeners = std::array<Fd, KS_LISTENERS_PER_POD>;

class PodHooks {
 public:
  virtual ~PodHooks() = default;
  virtual int tag_map() const noexcept = 0;  // for keelson-hold

  // Each of these repairs as well as it creates: doing it twice changes nothing.
  virtual Result<void> install_listeners(uint32_t slot, const SlotListeners& listeners) = 0;
  virtual Result<void> attach_lookup(uint32_t slot, const std::string& netns_path) = 0;
  virtual Result<void> attach_source_check(uint32_t host_ifindex) = 0;

  virtual bool lookup_attached(uint32_t slot, const std::string& netns_path) const = 0;
  virtual bool listeners_installed(uint32_t slot, const SlotListeners& listeners) const = 0;
  virtual bool source_check_attached(uint32_t host_ifindex) const = 0;

  // Slots with a lookup, whoever attached it.
  virtual std::vector<uint32_t> attached_slots() const = 0;

  // Removes all that the slot has. A host_ifindex of 0 has no source check.
  virtual Result<void> release(uint32_t slot, uint32_t host_ifindex, uint64_t netns_cookie) = 0;
};

}  // namespace keelson::datapath
