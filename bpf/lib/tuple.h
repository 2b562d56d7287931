/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Attested tuples: what the connecting side vouches for until the receiving side is established.
 * Single use, but for those of tuple_of_moved(). Each row holds one unit of its source pod's
 * budget; whoever succeeds in deleting the row gives the unit back, so it is given back once. The
 * unit is taken when the row is written (TCP_CONNECT_CB), not in connect(): a connect that fails in
 * between can then leak nothing; connect only looks, to fail with EPERM and a reason. Writes
 * ks_tuple and ks_budget. */
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

/* NAT of the node changes the source port of a connection when its reply would be that of another
 * one: of one that went through a Service's virtual address, before its pod was enrolled, and is
 * still in conntrack. The receiver then finds no tuple. It takes that of the last attempt at the
 * same endpoint by the local pod that has the source address now, if the tuple is still there. A
 * connection that came by its own port has taken its tuple away; one that was moved keeps it, and
 * its unit of the budget, until its client closes. */
static __always_inline void tuple_note_attempt(const struct ks_tuple_key* key) {
  struct ks_tuple_key endpoint = *key;
  __u32 port = key->source_port;
  endpoint.source_port = 0;
  bpf_map_update_elem(&ks_attempt, &endpoint, &port, BPF_ANY);
}

static __always_inline struct ks_attestation* tuple_of_moved(const struct ks_tuple_key* key) {
  struct ks_tuple_key sent = *key;
  sent.source_port = 0;
  __u32* port = bpf_map_lookup_elem(&ks_attempt, &sent);
  if (!port) return 0;
  sent.source_port = (__u16)*port;
  struct ks_address* source = bpf_map_lookup_elem(&ks_address, &key->source);
  if (!source || !(source->flags & KS_ADDRESS_LOCAL)) return 0;
  struct ks_attestation* tuple = bpf_map_lookup_elem(&ks_tuple, &sent);
  if (!tuple || tuple->kind != KS_KIND_DIRECT || tuple->source_pod != source->pod) return 0;
  return tuple;
}

/* The SYN is sent again: the receiver's accept queue may be full, the attempt lives. */
static __always_inline void tuple_refresh(const struct ks_tuple_key* key) {
  struct ks_attestation* row = bpf_map_lookup_elem(&ks_tuple, key);
  if (row) row->written_ns = bpf_ktime_get_ns();
}
