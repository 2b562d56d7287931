/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs the connect decision for a test: a cgroup hook cannot be test-run, and a syscall program may
 * not use an LPM trie (it is sleepable), so this is an XDP program whose packet is the question. */
#include "connect_decision.h"

#include "lib/capture.h"

SEC("xdp")
int ks_decide(struct xdp_md* ctx) {
  struct connect_question* ask = (void*)(long)ctx->data;
  if ((void*)(ask + 1) > (void*)(long)ctx->data_end) return XDP_ABORTED;
  struct connect_dial dial = {.boot_key = ask->boot_key, .netns = ask->netns};
  struct connect_plan plan = {};
  dial.to = ask->dialled;
  dial.source_port = ask->source_port;
  dial.pod = bpf_map_lookup_elem(&ks_pod, &dial.netns);
  if (!dial.pod) return XDP_ABORTED;
  plan.target = dial.to;
  connect_decide(&dial, &plan);
  ask->target = plan.target;
  ask->chosen = plan.chosen;
  ask->action = plan.action;
  ask->reason = plan.reason;
  ask->kind = plan.kind;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
