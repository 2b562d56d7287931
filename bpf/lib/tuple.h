/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Attested tuples: what the connecting side vouches for until the receiving side is established.
 * Single use. Each row holds one unit of its source pod's budget; whoever succeeds in deleting the
 * row gives the unit back, so it is given back once. The unit is taken when the row is written
 * (TCP_CONNECT_CB), not in connect(): a connect that fails in between can then leak nothing;
 * connect only looks, to fail with EPERM and a reason. Writes ks_tuple and ks_budget. */
#pragma once

#include "lib/flow.h"

static __always_inline bool tuple_budget_left(__u64 pod) {
  __u32* held = bpf_map_lookup_elem(&ks_budget, &pod);
  if (!held) {
    __u32 zero = 0;
    /* BPF_NOEXIST: another CPU may have made the row and counted in it already. */
    bpf_map_update_elem(&ks_budget, &pod, &zero, BPF_NOEXIST);
    held = bpf_map_lookup_elem(&ks_budget, &pod);
    if (!held) return false;
  }
  return *held < KS_TUPLES_PER_POD_MAX;
}

static __always_inline bool tuple_budget_take(__u64 pod) {
  __u32* held = bpf_map_lookup_elem(&ks_budget, &pod);
  if (!held) return false;
  if (__sync_fetch_and_add(held, 1) < KS_TUPLES_PER_POD_MAX) return true;
  __sync_fetch_and_add(held, -1);
  return false;
}

static __always_inline void tuple_budget_give(__u64 pod) {
  __u32* held = bpf_map_lookup_elem(&ks_budget, &pod);
  if (held && *held) __sync_fetch_and_add(held, -1);
}

/* True when this call removed the row. */
static __always_inline bool tuple_delete(const struct ks_tuple_key* key) {
  struct ks_attestation* row = bpf_map_lookup_elem(&ks_tuple, key);
  if (!row) return false;
  __u64 pod = row->source_pod;
  __u8 reserved = row->reserved;
  if (bpf_map_delete_elem(&ks_tuple, key)) return false;
  if (reserved) tuple_budget_give(pod);
  return true;
}

/* Writes the row for a connection that starts now. */
static __always_inline void tuple_write(const struct ks_tuple_key* key,
                                        struct ks_attestation* pending) {
  tuple_delete(key); /* an earlier life of this 4-tuple, left by a namespace that ended */
  if (!tuple_budget_take(pending->source_pod)) {
    flow_count(KS_REASON_tuple_budget);
    return;
  }
  pending->written_ns = bpf_ktime_get_ns();
  pending->reserved = 1;
  if (bpf_map_update_elem(&ks_tuple, key, pending, BPF_NOEXIST)) {
    tuple_budget_give(pending->source_pod);
    flow_count(KS_REASON_tuple_map_full);
  } else {
    flow_count(KS_REASON_tuple_written);
  }
  pending->reserved = 0;
}

/* The SYN is sent again: the receiver's accept queue may be full, the attempt lives. */
static __always_inline void tuple_refresh(const struct ks_tuple_key* key) {
  struct ks_attestation* row = bpf_map_lookup_elem(&ks_tuple, key);
  if (row) row->written_ns = bpf_ktime_get_ns();
}
