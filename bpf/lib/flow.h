/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flow records: one counter per reason, and events in the ring buffer. Says what was decided; never
 * decides. Usable from every program type. */
#pragma once

#include "maps.bpf.h"

static __always_inline void flow_count(__u32 reason) {
  __u64* count = bpf_map_lookup_elem(&ks_counters, &reason);
  /* Atomic although per CPU: sk_lookup in softirq interrupts connect on the same CPU. */
  if (count) __sync_fetch_and_add(count, 1);
}

/* A zeroed event to fill and hand to bpf_ringbuf_submit, or NULL (counted). */
static __always_inline struct ks_event* flow_event(__u16 reason, __u8 hook, __u8 verdict) {
  struct ks_event* event = bpf_ringbuf_reserve(&ks_events, sizeof(*event), 0);
  if (!event) {
    flow_count(KS_REASON_events_lost);
    return 0;
  }
  __builtin_memset(event, 0, sizeof(*event));
  event->time_ns = bpf_ktime_get_ns();
  event->reason = reason;
  event->hook = hook;
  event->verdict = verdict;
  return event;
}
