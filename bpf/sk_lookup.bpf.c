/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sk_lookup, attached to each enrolled pod's network namespace: the only authority on what reaches
 * the pod. On any failure it refuses; SK_DROP of a SYN is an immediate RST. Decisions:
 * lib/lookup.h. */
#include "lib/addr.h"
#include "lib/flow.h"
#include "lib/lookup.h"
#include "lib/service.h"

static __always_inline void lookup_report(const struct ks_tuple_key* key,
                                          const struct lookup_plan* plan) {
  struct ks_event* event = flow_event(plan->reason, KS_HOOK_LOOKUP, KS_DENY);
  if (!event) return;
  event->source_pod = plan->source_pod;
  event->source_identity = plan->source_identity;
  event->destination_pod = plan->pod;
  event->destination_identity = plan->identity;
  event->service = plan->service;
  event->policy = plan->policy;
  event->source.addr = key->source;
  event->source.port = key->source_port;
  event->destination.addr = key->destination;
  event->destination.port = key->destination_port;
  event->original = plan->original.port ? plan->original : event->destination;
  bpf_ringbuf_submit(event, 0);
}

/* 0, or why the listener cannot have the connection. Never a fall-through to the application. */
static __always_inline __u32 steer(struct bpf_sk_lookup* ctx, __u32 slot, __u32 role) {
  __u32 family = ctx->family == KS_AF_INET6 ? KS_FAMILY_6 : KS_FAMILY_4;
  __u32 index = KS_LISTENER_INDEX(slot, family, role);
  struct bpf_sock* listener = bpf_map_lookup_elem(&ks_listener, &index);
  if (!listener) return KS_REASON_listener_missing;
  /* NO_REUSEPORT: a pod process must not join the group of our listener. */
  long error = bpf_sk_assign(ctx, listener, BPF_SK_LOOKUP_F_NO_REUSEPORT);
  bpf_sk_release(listener);
  return error ? KS_REASON_assign_failed : 0;
}

SEC("sk_lookup")
int ks_sk_lookup(struct bpf_sk_lookup* ctx) {
  if (ctx->protocol != KS_TCP) return SK_PASS;
  struct ks_tuple_key key = {};
  key.source_port = bpf_ntohs((__u16)ctx->remote_port);
  key.destination_port = ctx->local_port;
  if (ctx->family == KS_AF_INET) {
    addr_map4(&key.source, KS_CTX_LOAD(ctx, remote_ip4));
    addr_map4(&key.destination, KS_CTX_LOAD(ctx, local_ip4));
  } else {
    KS_CTX_LOAD_ADDR6(&key.source, ctx, remote_ip6);
    KS_CTX_LOAD_ADDR6(&key.destination, ctx, local_ip6);
  }
  if (addr_is_loopback(&key.destination)) return SK_PASS;

  struct lookup_plan plan = {};
  bool attested = lookup_decide(&key, &plan);
  if (!plan.allow && !attested && lookup_is_late(&key)) {
    flow_count(KS_REASON_late_packet);
    return SK_DROP;
  }
  if (plan.allow && plan.role != KS_ROLE_NONE) {
    __u32 failed = steer(ctx, plan.slot, plan.role);
    if (failed) lookup_refuse(&plan, failed);
  }
  /* Attested connections are counted where they start and where they are established: this program
   * may run more than once for each. */
  if (plan.allow && attested) return SK_PASS;
  flow_count(plan.reason);
  if (plan.allow) return SK_PASS;
  lookup_report(&key, &plan);
  return SK_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
