/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sock_ops, attached at the cgroup v2 root: writes the attested tuple when a connection starts,
 * moves it to the accepted socket when it is established, removes it when the client gives up, and
 * remembers which connections have just ended.
 * Also ks_sweep, run by the agent. Rows and budgets: lib/tuple.h. */
#include "lib/addr.h"
#include "lib/flow.h"
#include "lib/tuple.h"

static __always_inline void endpoints_of(struct bpf_sock_ops* ctx, struct ks_addr* local,
                                         struct ks_addr* remote) {
  if (ctx->family == KS_AF_INET) {
    addr_map4(local, KS_CTX_LOAD(ctx, local_ip4));
    addr_map4(remote, KS_CTX_LOAD(ctx, remote_ip4));
  } else {
    KS_CTX_LOAD_ADDR6(local, ctx, local_ip6);
    KS_CTX_LOAD_ADDR6(remote, ctx, remote_ip6);
  }
}

/* Beside what programs of others have asked for. */
static __always_inline void ask_for(struct bpf_sock_ops* ctx, int flags) {
  bpf_sock_ops_cb_flags_set(ctx, (int)ctx->bpf_sock_ops_cb_flags | flags);
}

/* The connecting side: starts, sends its SYN again, or is closed. */
static __always_inline void on_connecting_side(struct bpf_sock_ops* ctx, __u32 op) {
  struct bpf_sock* sk = ctx->sk;
  if (!sk) return;
  struct ks_attestation* pending = bpf_sk_storage_get(&ks_pending, sk, 0, 0);
  if (!pending) return;
  if (pending->kind == KS_KIND_NONE) return;
  struct ks_tuple_key key = {.pod = pending->receiver_pod};
  key.source_port = ctx->local_port;
  key.destination_port = bpf_ntohl(ctx->remote_port);
  endpoints_of(ctx, &key.source, &key.destination);
  if (op == BPF_SOCK_OPS_RTO_CB) {
    tuple_refresh(&key);
  } else if (op == BPF_SOCK_OPS_STATE_CB) {
    if (tuple_delete(&key)) flow_count(KS_REASON_tuple_closed);
  } else {
    tuple_write(&key, pending);
    if (pending->kind == KS_KIND_DIRECT) tuple_note_attempt(&key);
    ask_for(ctx, BPF_SOCK_OPS_STATE_CB_FLAG | BPF_SOCK_OPS_RTO_CB_FLAG);
  }
}

/* A pod's connection without a tuple, as what leaves the mesh, has an end too. */
static __always_inline void watch_end(struct bpf_sock_ops* ctx) {
  if (ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG) return;
  __u64 netns = bpf_get_netns_cookie(ctx);
  if (bpf_map_lookup_elem(&ks_pod, &netns)) ask_for(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* Either side of what was established; a program of others may have asked for the host's sockets.
 */
static __always_inline void on_closed(struct bpf_sock_ops* ctx) {
  if (ctx->args[0] == BPF_TCP_SYN_SENT) return;
  struct ks_tuple_key key = {.pod = bpf_get_netns_cookie(ctx)};
  if (!bpf_map_lookup_elem(&ks_pod, &key.pod)) return;
  key.source_port = bpf_ntohl(ctx->remote_port);
  key.destination_port = ctx->local_port;
  endpoints_of(ctx, &key.destination, &key.source);
  __u64 now = bpf_ktime_get_ns();
  bpf_map_update_elem(&ks_ended, &key, &now, BPF_ANY);
}

/* A direct connection is reported once it exists; its denial is reported by sk_lookup. */
static __always_inline void report_direct(const struct ks_tuple_key* key,
                                          const struct ks_attestation* tuple, __u64 identity,
                                          bool to_our_listener) {
  __u16 reason = to_our_listener ? KS_REASON_direct_l7 : KS_REASON_direct;
  flow_count(reason);
  struct ks_event* event = flow_event(reason, KS_HOOK_ESTABLISHED, KS_ALLOW);
  if (!event) return;
  event->source_pod = tuple->source_pod;
  event->source_identity = tuple->source_identity;
  event->destination_pod = key->pod;
  event->destination_identity = identity;
  event->service = tuple->service;
  event->source.addr = key->source;
  event->source.port = key->source_port;
  event->destination.addr = key->destination;
  event->destination.port = key->destination_port;
  event->original = tuple->original;
  bpf_ringbuf_submit(event, 0);
}

/* The accepting side. What is written here is readable before accept() returns. */
static __always_inline void on_established(struct bpf_sock_ops* ctx) {
  struct ks_tuple_key key = {.pod = bpf_get_netns_cookie(ctx)};
  struct ks_pod* pod = bpf_map_lookup_elem(&ks_pod, &key.pod);
  if (!pod) return;
  __u64 identity = pod->identity;
  struct bpf_sock* sk = ctx->sk;
  if (!sk) return;
  key.source_port = bpf_ntohl(ctx->remote_port);
  key.destination_port = ctx->local_port;
  endpoints_of(ctx, &key.destination, &key.source);
  /* clang 14 would OR the two map pointers of "no tuple and no tag": make this one a number. */
  __u64 ours = bpf_sk_storage_get(&ks_tag, sk, 0, 0) ? 1 : 0;
  asm volatile("" : "+r"(ours));

  struct ks_attestation* tuple = bpf_map_lookup_elem(&ks_tuple, &key);
  /* That of a moved connection stays until its client closes: the key below is not its own. */
  if (!tuple) tuple = tuple_of_moved(&key);
  if (!tuple && !ours) return; /* an application's own business: loopback, plaintext */
  ask_for(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
  struct ks_attestation* record =
      bpf_sk_storage_get(&ks_socket, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!record) flow_count(KS_REASON_storage_full); /* no record: the proxy refuses */
  if (!tuple) {
    if (!record) return;
    record->receiver_pod = key.pod;
    record->kind = KS_KIND_OUTSIDE;
    flow_count(KS_REASON_outside_recorded);
    return;
  }
  if (record) {
    *record = *tuple;
    record->reserved = 0;
  }
  if (tuple->kind == KS_KIND_DIRECT) report_direct(&key, tuple, identity, ours);
  if (tuple_delete(&key)) flow_count(KS_REASON_tuple_moved);
}

static long sweep_row(void* map, const void* key, void* value, void* context) {
  const struct ks_attestation* row = value;
  struct ks_sweep* sweep = context;
  (void)map;
  if (row->written_ns > sweep->not_after_ns) return 0;
  struct ks_tuple_key copy = *(const struct ks_tuple_key*)key;
  if (!tuple_delete(&copy)) return 0;
  flow_count(KS_REASON_tuple_swept);
  sweep->removed++;
  return 0;
}

/* Run by the agent now and then (BPF_PROG_RUN): removes what a namespace left that ended without
 * closing its sockets. In the kernel, because only here the budget can be given back atomically. An
 * attempt is alive for at most 64 s between two SYNs and 63 s of SYN-ACKs: sweep above 180 s. */
SEC("syscall")
int ks_sweep(struct ks_sweep* argument) {
  struct ks_sweep sweep = {.not_after_ns = argument->not_after_ns};
  bpf_for_each_map_elem(&ks_tuple, sweep_row, &sweep, 0);
  argument->removed = sweep.removed;
  return 0;
}

SEC("sockops")
int ks_sockops(struct bpf_sock_ops* ctx) {
  __u32 op = ctx->op;
  switch (op) {
    case BPF_SOCK_OPS_TCP_CONNECT_CB:
      on_connecting_side(ctx, op);
      watch_end(ctx);
      break;
    case BPF_SOCK_OPS_RTO_CB:
      on_connecting_side(ctx, op);
      break;
    case BPF_SOCK_OPS_STATE_CB:
      if (ctx->args[1] != BPF_TCP_CLOSE) break;
      on_connecting_side(ctx, op);
      on_closed(ctx);
      break;
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
      on_established(ctx);
      break;
  }
  return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
