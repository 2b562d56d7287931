/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy: evaluates the class tables that agent/compile emits; the proxy evaluates the same ones.
 * ALLOW counts for a proven identity only; a DENY also binds the identity that the address claims,
 * so that looking anonymous never dodges one. A missing row or set denies. Reads ks_set, ks_class_*
 * and ks_policy. */
#pragma once

#include "lib/addr.h"
#include "maps.bpf.h"

struct policy_query {
  __u64 proven;  /* identity; 0: none */
  __u64 claimed; /* identity; 0: none */
  const struct ks_addr* addr;
  __u16 port;
};

static __always_inline __u32 policy_identity_class(__u64 set, __u32 otherwise, __u64 identity) {
  if (identity == 0) return KS_CLASS_NO_IDENTITY;
  struct ks_class_id_key key = {.set = set, .identity = identity};
  __u32* class = bpf_map_lookup_elem(&ks_class_id, &key);
  return class ? *class : otherwise;
}

static __always_inline __u16 policy_address_class(__u64 set, const struct ks_addr* addr) {
  struct ks_class_addr_key key = {
      .prefix_bits = 64 + 128, .set_high = set >> 32, .set_low = (__u32)set, .addr = *addr};
  __u32* class = bpf_map_lookup_elem(&ks_class_addr, &key);
  return class ? *class : 0;
}

static __always_inline __u16 policy_port_class(__u64 set, __u16 port) {
  struct ks_class_port_key key = {.set = set, .port = port};
  __u32* class = bpf_map_lookup_elem(&ks_class_port, &key);
  return class ? *class : 0;
}

/* One set. 0: allowed; else the reason. `policy` receives the id of the policy that decided. */
static __always_inline __u32 policy_check_set(__u64 set, const struct policy_query* query,
                                              __u64* policy) {
  struct ks_set* row = bpf_map_lookup_elem(&ks_set, &set);
  if (!row) return KS_REASON_policy_missing;
  __u32 flags = row->flags, otherwise = row->identity_class_default;

  struct ks_policy_key key = {.set = set};
  if (flags & KS_SET_ADDRESSES) key.address_class = policy_address_class(set, query->addr);
  if (flags & KS_SET_PORTS) key.port_class = policy_port_class(set, query->port);
  key.identity_class = policy_identity_class(set, otherwise, query->proven);
  struct ks_policy* found = bpf_map_lookup_elem(&ks_policy, &key);
  if (!found) return KS_REASON_policy_missing;
  *policy = found->policy;
  if (found->verdict != KS_ALLOW)
    return found->deny_matched ? KS_REASON_policy_denied : KS_REASON_not_allowed;

  if (query->claimed == 0 || query->claimed == query->proven) return 0;
  key.identity_class = policy_identity_class(set, otherwise, query->claimed);
  found = bpf_map_lookup_elem(&ks_policy, &key);
  if (!found) return KS_REASON_policy_missing;
  if (!found->deny_matched) return 0;
  *policy = found->policy;
  return KS_REASON_claimed_denied;
}

/* Inbound policy of a pod: every set must allow. */
static __always_inline __u32 policy_check(const struct ks_pod* pod,
                                          const struct policy_query* query, __u64* policy) {
  __u64 first = pod->policy_set[0], second = pod->policy_set[1];
  *policy = 0;
  if (first) {
    __u32 reason = policy_check_set(first, query, policy);
    if (reason) return reason;
  }
  if (second) return policy_check_set(second, query, policy);
  return 0;
}
