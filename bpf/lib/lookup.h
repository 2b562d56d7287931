/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The inbound decision: who may reach a pod, and through which listener. Runs for every packet
 * without an established socket, late packets of finished connections included, and sees no TCP
 * flags: only a tuple proves that a refused packet is a connection. Writes no map: the hook
 * steers and records. */
#pragma once

#include "lib/addr.h"
#include "lib/policy.h"
#include "lib/tuple.h"

struct lookup_plan {
  __u64 source_pod;
  __u64 source_identity;
  __u64 pod;
  __u64 identity;
  __u64 service;
  __u64 policy;
  struct ks_endpoint original; /* what the tuple says was dialled; port 0 without a tuple */
  __u32 slot;
  __u16 reason; /* a let-pass reason, or why it is refused */
  __u8 allow;
  __u8 role; /* KS_ROLE_NONE: to the application; else the listener */
};

static __always_inline void lookup_refuse(struct lookup_plan* plan, __u32 reason) {
  plan->allow = 0;
  plan->reason = reason;
}

static __always_inline void lookup_allow(struct lookup_plan* plan, __u32 reason, __u8 role) {
  plan->allow = 1;
  plan->reason = reason;
  plan->role = role;
}

/* Inbound 1 to 3: the kernel vouches for the source. */
static __always_inline void lookup_attested(const struct ks_tuple_key* key,
                                            const struct ks_attestation* tuple,
                                            const struct ks_pod* pod, __u64 claimed,
                                            struct lookup_plan* plan) {
  plan->source_pod = tuple->source_pod;
  plan->source_identity = tuple->source_identity;
  plan->service = tuple->service;
  plan->original = tuple->original;
  if (tuple->receiver_pod != key->pod) return lookup_refuse(plan, KS_REASON_tuple_mismatch);
  switch (tuple->kind) {
    case KS_KIND_SELF:
      return lookup_allow(plan, KS_REASON_self, KS_ROLE_NONE);
    case KS_KIND_PROBE:
      return lookup_allow(plan, KS_REASON_probe, KS_ROLE_NONE);
    case KS_KIND_DELIVER:
      return lookup_allow(plan, KS_REASON_deliver, KS_ROLE_NONE);
    case KS_KIND_CAPTURE:
      return lookup_allow(plan, KS_REASON_captured, KS_ROLE_OUTBOUND);
    case KS_KIND_DIRECT:
      break;
    default:
      return lookup_refuse(plan, KS_REASON_unattested);
  }
  struct policy_query query = {.proven = tuple->source_identity,
                               .claimed = claimed,
                               .addr = &key->source,
                               .port = key->destination_port};
  __u32 refused = policy_check(pod, &query, &plan->policy);
  if (refused) return lookup_refuse(plan, refused);
  if (pod->flags & KS_POD_L7) return lookup_allow(plan, KS_REASON_direct_l7, KS_ROLE_PLAIN);
  lookup_allow(plan, KS_REASON_direct, KS_ROLE_NONE);
}

static __always_inline bool lookup_is_strict(const struct ks_tuple_key* key,
                                             const struct ks_pod* pod) {
  struct ks_port_key port_key = {.pod = key->pod, .port = key->destination_port};
  struct ks_port* port = bpf_map_lookup_elem(&ks_port, &port_key);
  if (port) {
    if (port->flags & KS_PORT_STRICT) return true;
    if (port->flags & KS_PORT_PERMISSIVE) return false;
  }
  return pod->flags & KS_POD_STRICT;
}

/* Inbound 5: plaintext that nobody vouches for. */
static __always_inline void lookup_plaintext(const struct ks_tuple_key* key,
                                             const struct ks_pod* pod, __u32 claimed_flags,
                                             __u64 claimed, struct lookup_plan* plan) {
  /* A local pod's connection always has a tuple. So has a neighbour's on the link if it is a pod;
   * the source check lets link-local sources through, and they must not serve to look anonymous. */
  if ((claimed_flags & KS_ADDRESS_LOCAL) || addr_is_link_local(&key->source))
    return lookup_refuse(plan, KS_REASON_unattested);
  bool strict = lookup_is_strict(key, pod), grace = false;
  if (claimed_flags & KS_ADDRESS_READY) {
    grace = bpf_ktime_get_ns() < pod->grace_until_ns;
    if (!grace) return lookup_refuse(plan, KS_REASON_unattested);
  }
  if (strict) return lookup_refuse(plan, KS_REASON_strict_plaintext);
  struct policy_query query = {
      .claimed = claimed, .addr = &key->source, .port = key->destination_port};
  __u32 refused = policy_check(pod, &query, &plan->policy);
  if (refused) return lookup_refuse(plan, refused);
  if (pod->flags & KS_POD_L7) return lookup_allow(plan, KS_REASON_plain_l7, KS_ROLE_PLAIN);
  lookup_allow(plan, grace ? KS_REASON_plaintext_grace : KS_REASON_plaintext, KS_ROLE_NONE);
}

/* Of what is refused: no attempt, but the rest of a connection that the pod's side has closed, as
 * when both sides do at the same time. */
static __always_inline bool lookup_is_late(const struct ks_tuple_key* key) {
  __u64* ended = bpf_map_lookup_elem(&ks_ended, key);
  return ended && bpf_ktime_get_ns() - *ended < KS_LATE_NS;
}

/* `key` comes without its pod, which is found here. `plan` is zeroed by the caller. Returns the
 * tuple, if there is one: a refusal is then a refused connection. */
static __always_inline bool lookup_decide(struct ks_tuple_key* key, struct lookup_plan* plan) {
  struct ks_address* local = bpf_map_lookup_elem(&ks_address, &key->destination);
  if (!local) {
    lookup_refuse(plan, KS_REASON_unknown_local_address);
    return false;
  }
  if (!(local->flags & (KS_ADDRESS_LOCAL | KS_ADDRESS_OPEN))) {
    lookup_refuse(plan, KS_REASON_unknown_local_address);
    return false;
  }
  key->pod = local->pod;
  plan->pod = key->pod;
  bool open = local->flags & KS_ADDRESS_OPEN;
  struct ks_pod* pod = bpf_map_lookup_elem(&ks_pod, &key->pod);
  if (!pod) {
    /* A tuple of an open pod without its row is of a handshake begun before the pod left. */
    if (open) {
      lookup_allow(plan, KS_REASON_pod_open, KS_ROLE_NONE);
      return false;
    }
    lookup_refuse(plan, KS_REASON_pod_record_missing);
    return false;
  }
  struct ks_attestation* tuple = bpf_map_lookup_elem(&ks_tuple, key);
  if (!tuple && open) {
    lookup_allow(plan, KS_REASON_pod_open, KS_ROLE_NONE);
    return false;
  }
  plan->identity = pod->identity;
  plan->slot = pod->slot;

  __u64 claimed = 0;
  __u32 claimed_flags = 0;
  struct ks_address* source = bpf_map_lookup_elem(&ks_address, &key->source);
  if (source) {
    claimed = source->identity;
    claimed_flags = source->flags;
  }
  if (!tuple) tuple = tuple_of_moved(key);
  if (tuple) {
    lookup_attested(key, tuple, pod, claimed, plan);
    return true;
  }
  if (key->destination_port == KS_HBONE_PORT)
    lookup_allow(plan, KS_REASON_hbone_accepted, KS_ROLE_HBONE);
  else
    lookup_plaintext(key, pod, claimed_flags, claimed, plan);
  return false;
}
