// The values that a pod's and a port's row takes between the old and the new plan. Pure, any
// thread.
#pragma once

#include <cstdint>

#include "keelson_abi/abi.h"

namespace keelson::rollout {

// What the pod refuses under either row, and nothing steered yet.
ks_pod tightened_pod(const ks_pod& now, const ks_pod& next);
// Steered as in `next`; refuses as `tightened` does.
ks_pod steered_pod(const ks_pod& tightened, const ks_pod& next);

// A port's row as the kernel reads it together with its pod's.
struct PortView {
  uint32_t pod_flags = 0;
  uint32_t port_flags = 0;
  bool is_strict() const noexcept;
};
// Flags of the port while the pod has the flags `tightened_pod_flags`.
uint32_t tightened_port(const PortView& now, const PortView& next, uint32_t tightened_pod_flags);

}  // namespace keelson::rollout
