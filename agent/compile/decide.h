// decide: the kernel's verdict (bpf/lib/policy.h) in userspace, over the same class tables. Cuts
// established connections that a policy change now denies, and answers `keelsonctl why`. The
// algorithm is lib/config's, which the proxy uses too; here are the look-ups in map rows.
// Pure, any thread. It judges policy sets only: mode (STRICT) and attestation are not its business.
#pragma once

#include "compile/rows.h"
#include "config/policy_decision.h"

namespace keelson::compile {

using config::Decision;
using config::PolicyQuestion;

Decision decide(const Rows& rows, const PolicyQuestion& question);

}  // namespace keelson::compile
