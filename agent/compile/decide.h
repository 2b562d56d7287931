// decide: the kernel's verdict (bpf/lib/policy.h) in userspace, over the same class tables. Cuts
// established connections that a policy change now denies, and answers `keelsonctl why`.
// Pure, any thread. It judges policy sets only: mode (STRICT) and attestation are not its business.
#pragma once

#include <array>
#include <cstdint>

#include "base/ip_address.h"
#include "base/reason.h"
#include "compile/rows.h"

namespace keelson::compile {

struct PolicyQuestion {
  std::array<uint64_t, 2> policy_set = {0, 0};  // ks_pod.policy_set: each non-zero one must allow
  uint64_t proven_identity = 0;                 // attested or from a certificate; 0: none
  uint64_t claimed_identity = 0;                // ks_address.identity of the source; 0: none
  IpAddress source;                             // the direct peer
  uint16_t destination_port = 0;                // the workload's port
};

struct Decision {
  ks_verdict verdict = KS_DENY;
  // none when allowed; policy_denied, claimed_denied, not_allowed or policy_missing when denied.
  Reason reason = Reason::none;
  uint64_t policy = 0;  // the policy that decided; 0: none
  friend bool operator==(const Decision&, const Decision&) = default;
};

Decision decide(const Rows& rows, const PolicyQuestion& question);

}  // namespace keelson::compile
