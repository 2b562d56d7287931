/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/connect4|6 and getpeername4|6, attached at the cgroup v2 root. They decide by the socket's
 * netns cookie: a namespace that is not enrolled costs one hash miss. Decisions: lib/capture.h. */
#include "lib/capture.h"
#include "lib/flow.h"
#include "lib/tuple.h"

/* Set by the loader before loading: seeds the hash that picks capture ports. */
const volatile __u64 ks_boot_key = 0;

/* Every decision is counted once: here, or for `direct` when the receiver is established (its
 * policy still has a say). Events: of applications every path but `self`; of the proxy and the node
 * refusals. */
static __always_inline void connect_report(const struct connect_dial* dial,
                                           const struct connect_plan* plan) {
  if (plan->reason != KS_REASON_direct) flow_count(plan->reason);
  bool refused = plan->action == CONNECT_REFUSE;
  bool shown = plan->reason == KS_REASON_captured || plan->reason == KS_REASON_passthrough;
  if (!refused && !shown) return;
  struct ks_event* event = flow_event(plan->reason, KS_HOOK_CONNECT, refused ? KS_DENY : KS_ALLOW);
  if (!event) return;
  event->source_pod = dial->netns;
  event->source_identity = dial->pod->identity;
  event->destination_pod = plan->destination_pod;
  event->destination_identity = plan->destination_identity;
  event->service = plan->service;
  event->policy = plan->policy;
  event->source.addr = addr_is4(&dial->to.addr) ? dial->pod->addr4 : dial->pod->addr6;
  event->source.port = dial->source_port;
  event->original = dial->to;
  event->destination = plan->chosen.port ? plan->chosen : dial->to;
  bpf_ringbuf_submit(event, 0);
}

/* Keeps what sock_ops and getpeername need. False: no memory. */
static __always_inline bool connect_record(struct bpf_sock* sk, const struct connect_dial* dial,
                                           const struct connect_plan* plan,
                                           const struct ks_endpoint* note) {
  struct ks_attestation* facts =
      bpf_sk_storage_get(&ks_pending, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!facts) return false;
  facts->source_pod = dial->netns;
  facts->source_identity = dial->pod->identity;
  facts->receiver_pod = plan->tuple_pod;
  facts->service = plan->service;
  facts->written_ns = 0;
  facts->original = dial->to;
  facts->chosen = plan->chosen;
  facts->note = *note;
  facts->kind = plan->kind;
  facts->rewritten = plan->rewritten;
  facts->reserved = 0;
  facts->pad = 0;
  return true;
}

/* A recycled socket must not carry the facts of an earlier connection: only its tag survives. The
 * note is taken out here: the proxy writes one before each connect(). */
static __always_inline void connect_forget(struct bpf_sock* sk, __u32 role,
                                           struct ks_endpoint* note) {
  bpf_sk_storage_delete(&ks_pending, sk);
  bpf_sk_storage_delete(&ks_socket, sk);
  struct ks_endpoint* written = bpf_sk_storage_get(&ks_note, sk, 0, 0);
  if (!written) return;
  if (role == KS_ROLE_DIAL_DELIVER) *note = *written;
  bpf_sk_storage_delete(&ks_note, sk);
}

/* connect_action; CONNECT_GO may have changed plan->target. */
static __always_inline int connect_enter(struct bpf_sock_addr* ctx, struct connect_dial* dial,
                                         struct connect_plan* plan) {
  if (ctx->protocol != KS_TCP) return CONNECT_LEAVE;
  __u64 netns = bpf_get_netns_cookie(ctx);
  struct ks_pod* pod = bpf_map_lookup_elem(&ks_pod, &netns);
  if (!pod) return CONNECT_LEAVE;
  struct bpf_sock* sk = ctx->sk;
  if (!sk) return CONNECT_REFUSE;
  dial->netns = netns;
  dial->pod = pod;
  dial->boot_key = ks_boot_key;
  dial->source_port = sk->src_port;
  struct ks_tag* tag = bpf_sk_storage_get(&ks_tag, sk, 0, 0);
  if (tag) {
    dial->role = tag->role;
    dial->tag_pod = tag->pod;
  }
  struct ks_endpoint note = {};
  connect_forget(sk, dial->role, &note);
  plan->target = dial->to;
  connect_decide(dial, plan);
  if (plan->action == CONNECT_LEAVE) return CONNECT_LEAVE;
  if (plan->action == CONNECT_GO && plan->kind != KS_KIND_NONE && !tuple_budget_left(netns))
    connect_refuse(plan, KS_REASON_tuple_budget);
  if (plan->action == CONNECT_GO && (plan->kind != KS_KIND_NONE || plan->rewritten) &&
      !connect_record(sk, dial, plan, &note))
    connect_refuse(plan, KS_REASON_storage_full);
  connect_report(dial, plan);
  return plan->action;
}

SEC("cgroup/connect4")
int ks_connect4(struct bpf_sock_addr* ctx) {
  struct connect_dial dial = {};
  struct connect_plan plan = {};
  addr_map4(&dial.to.addr, ctx->user_ip4);
  dial.to.port = bpf_ntohs((__u16)ctx->user_port);
  int action = connect_enter(ctx, &dial, &plan);
  if (action == CONNECT_GO && plan.rewritten) {
    ctx->user_ip4 = plan.target.addr.word[3];
    ctx->user_port = bpf_htons(plan.target.port);
  }
  return action != CONNECT_REFUSE;
}

SEC("cgroup/connect6")
int ks_connect6(struct bpf_sock_addr* ctx) {
  struct connect_dial dial = {};
  struct connect_plan plan = {};
  KS_CTX_LOAD_ADDR6(&dial.to.addr, ctx, user_ip6);
  dial.to.port = bpf_ntohs((__u16)ctx->user_port);
  int action = connect_enter(ctx, &dial, &plan);
  if (action == CONNECT_GO && plan.rewritten) {
    ctx->user_ip6[0] = plan.target.addr.word[0];
    ctx->user_ip6[1] = plan.target.addr.word[1];
    ctx->user_ip6[2] = plan.target.addr.word[2];
    ctx->user_ip6[3] = plan.target.addr.word[3];
    ctx->user_port = bpf_htons(plan.target.port);
  }
  return action != CONNECT_REFUSE;
}

/* The address that the application should see, or NULL for the real one. */
static __always_inline struct ks_endpoint* peer_shown(struct bpf_sock_addr* ctx) {
  struct bpf_sock* sk = ctx->sk;
  if (!sk) return 0;
  struct ks_attestation* facts = bpf_sk_storage_get(&ks_pending, sk, 0, 0);
  if (facts) {
    if (facts->rewritten) return &facts->original;
  }
  facts = bpf_sk_storage_get(&ks_socket, sk, 0, 0);
  if (!facts) return 0;
  if (facts->kind == KS_KIND_DELIVER && facts->note.port) return &facts->note;
  return 0;
}

SEC("cgroup/getpeername4")
int ks_getpeer4(struct bpf_sock_addr* ctx) {
  struct ks_endpoint* shown = peer_shown(ctx);
  if (!shown) return 1;
  if (!addr_is4(&shown->addr)) return 1; /* does not fit: the real peer shows */
  ctx->user_ip4 = shown->addr.word[3];
  ctx->user_port = bpf_htons(shown->port);
  return 1;
}

SEC("cgroup/getpeername6")
int ks_getpeer6(struct bpf_sock_addr* ctx) {
  struct ks_endpoint* shown = peer_shown(ctx);
  if (!shown) return 1;
  ctx->user_ip6[0] = shown->addr.word[0];
  ctx->user_ip6[1] = shown->addr.word[1];
  ctx->user_ip6[2] = shown->addr.word[2];
  ctx->user_ip6[3] = shown->addr.word[3];
  ctx->user_port = bpf_htons(shown->port);
  return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
