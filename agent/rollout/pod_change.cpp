#include "rollout/pod_change.h"

#include <algorithm>

namespace keelson::rollout {
namespace {

constexpr uint32_t kSteering = KS_POD_L7 | KS_POD_LOCAL_MTLS;
constexpr uint32_t kPortMode = KS_PORT_STRICT | KS_PORT_PERMISSIVE;

// Slot 0 is the set of the last plan that was relaxed, slot 1 the one that replaces it. A plan that
// supersedes a waiting one takes slot 1: denials of the plan that never came to be are dropped.
void tighten_sets(ks_pod& pod, uint64_t next) {
  if (next == 0 || next == pod.policy_set[0] || next == pod.policy_set[1]) return;
  if (pod.policy_set[0] == 0)
    pod.policy_set[0] = next;
  else
    pod.policy_set[1] = next;
}

}  // namespace

ks_pod tightened_pod(const ks_pod& now, const ks_pod& next) {
  ks_pod pod = now;
  tighten_sets(pod, next.policy_set[0]);
  pod.flags |= next.flags & KS_POD_STRICT;
  if (next.egress_set != 0) pod.egress_set = next.egress_set;
  pod.grace_until_ns = std::min(now.grace_until_ns, next.grace_until_ns);
  return pod;
}

ks_pod steered_pod(const ks_pod& tightened, const ks_pod& next) {
  ks_pod pod = next;
  pod.policy_set[0] = tightened.policy_set[0];
  pod.policy_set[1] = tightened.policy_set[1];
  pod.egress_set = tightened.egress_set;
  pod.grace_until_ns = tightened.grace_until_ns;
  // L7 and mTLS go on here and off in relax.
  pod.flags |= tightened.flags & (KS_POD_STRICT | kSteering);
  return pod;
}

bool PortView::is_strict() const noexcept {
  if ((port_flags & KS_PORT_STRICT) != 0) return true;
  if ((port_flags & KS_PORT_PERMISSIVE) != 0) return false;
  return (pod_flags & KS_POD_STRICT) != 0;
}

uint32_t tightened_port(const PortView& now, const PortView& next, uint32_t tightened_pod_flags) {
  uint32_t flags = now.port_flags & KS_PORT_EXCLUDED_OUT;
  flags |= now.port_flags & next.port_flags & KS_PORT_PROBE;
  if (now.is_strict()) return flags | (now.port_flags & kPortMode);
  if (next.is_strict()) return flags | (next.port_flags & kPortMode);
  // The pod may be strict already where this port is not to be.
  if ((tightened_pod_flags & KS_POD_STRICT) != 0) return flags | KS_PORT_PERMISSIVE;
  return flags | (now.port_flags & kPortMode);
}

}  // namespace keelson::rollout
