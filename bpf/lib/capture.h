/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The connect decision: what happens to a TCP connection that an enrolled pod, the node or one of
 * the proxy's sockets starts. Reads configuration maps, writes none: the hook records and counts.
 * docs/life-of-a-connection.md has the order in prose. */
#pragma once

#include "lib/addr.h"
#include "lib/policy.h"
#include "lib/service.h"

enum connect_action {
  CONNECT_LEAVE = 0,  /* not ours: no facts, no count */
  CONNECT_REFUSE = 1, /* EPERM */
  CONNECT_GO = 2,     /* to plan.target, attested when plan.kind says so */
};

struct connect_dial {
  __u64 netns; /* cookie of the socket's namespace, key of `pod` */
  const struct ks_pod* pod;
  __u64 tag_pod; /* from ks_tag; role KS_ROLE_NONE for sockets that are not the proxy's */
  __u64 boot_key;
  struct ks_endpoint to;
  __u32 role;
  __u32 source_port; /* 0 unless bound */
};

struct connect_plan {
  __u64 tuple_pod; /* whose sk_lookup will see the connection */
  __u64 destination_pod;
  __u64 destination_identity;
  __u64 service;
  __u64 policy;
  struct ks_endpoint target; /* where the kernel connects to */
  struct ks_endpoint chosen; /* backend picked; port 0: none */
  __u32 action;
  __u16 reason;
  __u8 kind;
  __u8 rewritten;
};

static __always_inline void connect_refuse(struct connect_plan* plan, __u32 reason) {
  plan->action = CONNECT_REFUSE;
  plan->reason = reason;
  plan->kind = KS_KIND_NONE;
}

static __always_inline void connect_go(struct connect_plan* plan, __u32 reason, __u8 kind,
                                       __u64 tuple_pod) {
  plan->action = CONNECT_GO;
  plan->reason = reason;
  plan->kind = kind;
  plan->tuple_pod = tuple_pod;
}

static __always_inline __u32 capture_mix(__u32 hash, __u32 word) {
  hash ^= word;
  hash ^= hash >> 16;
  hash *= 0x85ebca6b;
  hash ^= hash >> 13;
  hash *= 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

/* Port of the capture. One per original destination: with a fixed one, all connections of a pod
 * would share a single 4-tuple space. Keyed per boot, so that no peer can pick collisions. 0: none
 * left. */
static __always_inline __u16 capture_port(const struct connect_dial* dial) {
  __u32 count = dial->pod->capture_port_count, first = dial->pod->capture_port_first;
  if (count == 0) return 0;
  __u32 hash = capture_mix((__u32)dial->boot_key, (__u32)(dial->boot_key >> 32));
  for (int i = 0; i < 4; i++) hash = capture_mix(hash, dial->to.addr.word[i]);
  hash = capture_mix(hash, dial->to.port) % count;
  /* Own address and own port: TCP would connect to itself. */
  if (first + hash == dial->source_port) {
    if (count == 1) return 0;
    hash = (hash + 1) % count;
  }
  return first + hash;
}

static __always_inline void connect_capture(const struct connect_dial* dial,
                                            struct connect_plan* plan) {
  const struct ks_addr* own = addr_is4(&dial->to.addr) ? &dial->pod->addr4 : &dial->pod->addr6;
  if (addr_is_zero(own)) return connect_refuse(plan, KS_REASON_unknown_local_address);
  __u16 port = capture_port(dial);
  if (port == 0) return connect_refuse(plan, KS_REASON_capture_port_missing);
  plan->target.addr = *own;
  plan->target.port = port;
  plan->rewritten = 1;
  connect_go(plan, KS_REASON_captured, KS_KIND_CAPTURE, dial->netns);
}

/* Out of the mesh, where egress policy has a say. */
static __always_inline void connect_outside(const struct connect_dial* dial,
                                            struct connect_plan* plan, __u32 reason) {
  if (dial->pod->egress_set) {
    struct policy_query query = {.claimed = plan->destination_identity,
                                 .addr = &plan->target.addr,
                                 .port = plan->target.port};
    if (policy_check_set(dial->pod->egress_set, &query, &plan->policy))
      return connect_refuse(plan, KS_REASON_egress_denied);
  }
  connect_go(plan, reason, KS_KIND_NONE, 0);
}

/* By the owner of the address that was dialled, or that the kernel chose for the Service. */
static __always_inline void connect_by_address(const struct connect_dial* dial,
                                               struct connect_plan* plan) {
  struct ks_address* owner = bpf_map_lookup_elem(&ks_address, &plan->target.addr);
  if (!owner) return connect_outside(dial, plan, KS_REASON_passthrough);
  plan->destination_pod = owner->pod;
  plan->destination_identity = owner->identity;
  if (owner->flags & KS_ADDRESS_LOCAL) {
    if (owner->pod == dial->netns)
      return connect_go(plan, KS_REASON_self, KS_KIND_SELF, dial->netns);
    __u64 receiver_cookie = owner->pod;
    struct ks_pod* receiver = bpf_map_lookup_elem(&ks_pod, &receiver_cookie);
    if (!receiver) return connect_refuse(plan, KS_REASON_pod_record_missing);
    if ((receiver->flags | dial->pod->flags) & KS_POD_LOCAL_MTLS)
      return connect_capture(dial, plan);
    return connect_go(plan, KS_REASON_direct, KS_KIND_DIRECT, receiver_cookie);
  }
  if (owner->flags & KS_ADDRESS_READY) return connect_capture(dial, plan);
  connect_outside(dial, plan, KS_REASON_passthrough);
}

/* The application's sockets. */
static __always_inline void connect_from_app(const struct connect_dial* dial,
                                             struct connect_plan* plan) {
  if (addr_is_loopback(&dial->to.addr)) return;
  if (addr_is_any(&dial->to.addr))
    return connect_go(plan, KS_REASON_self, KS_KIND_SELF, dial->netns);
  if (dial->to.port == KS_HBONE_PORT) return connect_refuse(plan, KS_REASON_hbone_port_dial);
  struct ks_port_key port_key = {.pod = dial->netns, .port = dial->to.port};
  struct ks_port* port = bpf_map_lookup_elem(&ks_port, &port_key);
  if (port && (port->flags & KS_PORT_EXCLUDED_OUT)) return;

  struct ks_service* service = service_find(&dial->to);
  if (service) {
    plan->service = service->id;
    if (service->flags & KS_SERVICE_L7) return connect_capture(dial, plan);
    __u32 reason = backend_choose(service, &plan->chosen);
    if (reason) return connect_refuse(plan, reason);
    /* The socket cannot change its family. */
    if (addr_is4(&plan->chosen.addr) != addr_is4(&dial->to.addr))
      return connect_refuse(plan, KS_REASON_backend_missing);
    plan->target = plan->chosen;
    plan->rewritten = 1;
  }
  connect_by_address(dial, plan);
}

/* The proxy's sockets: each may do one thing. */
static __always_inline void connect_from_proxy(const struct connect_dial* dial,
                                               struct connect_plan* plan) {
  struct ks_address* owner = 0;
  if (dial->tag_pod == dial->netns && !addr_is_loopback(&dial->to.addr) &&
      !addr_is_any(&dial->to.addr))
    owner = bpf_map_lookup_elem(&ks_address, &dial->to.addr);
  else
    return connect_refuse(plan, KS_REASON_role_violation);
  __u32 flags = 0;
  if (owner) {
    flags = owner->flags;
    plan->destination_pod = owner->pod;
    plan->destination_identity = owner->identity;
  }
  bool to_hbone = dial->to.port == KS_HBONE_PORT;
  switch (dial->role) {
    case KS_ROLE_DIAL_DELIVER:
      if (!to_hbone && (flags & KS_ADDRESS_LOCAL) && plan->destination_pod == dial->tag_pod)
        return connect_go(plan, KS_REASON_deliver, KS_KIND_DELIVER, dial->netns);
      break;
    case KS_ROLE_DIAL_HBONE:
      /* Also to a pod that its node lists as ready no more, or not yet: only TLS goes there, and
       * the proxy may hear of it later than the kernel. */
      if (to_hbone && (flags & (KS_ADDRESS_LOCAL | KS_ADDRESS_REMOTE)))
        return connect_go(plan, KS_REASON_hbone_dial, KS_KIND_NONE, 0);
      break;
    case KS_ROLE_DIAL_EGRESS:
      /* A pod that its node does not list as ready is still reached in plaintext, as by an app. */
      if (!to_hbone && !(flags & (KS_ADDRESS_LOCAL | KS_ADDRESS_READY)))
        return connect_outside(dial, plan, KS_REASON_egress_dial);
      break;
  }
  connect_refuse(plan, KS_REASON_role_violation);
}

/* The node's own namespace: only probes are vouched for. */
static __always_inline void connect_from_node(const struct connect_dial* dial,
                                              struct connect_plan* plan) {
  struct ks_address* owner = bpf_map_lookup_elem(&ks_address, &dial->to.addr);
  if (!owner) return;
  if (!(owner->flags & KS_ADDRESS_LOCAL)) return;
  struct ks_port_key key = {.pod = owner->pod, .port = dial->to.port};
  struct ks_port* port = bpf_map_lookup_elem(&ks_port, &key);
  if (!port) return;
  if (!(port->flags & KS_PORT_PROBE)) return;
  plan->destination_pod = owner->pod;
  plan->destination_identity = owner->identity;
  connect_go(plan, KS_REASON_probe, KS_KIND_PROBE, owner->pod);
}

/* `plan` is zeroed by the caller, except `target`, which is the dialled address. */
static __always_inline void connect_decide(const struct connect_dial* dial,
                                           struct connect_plan* plan) {
  if (dial->pod->flags & KS_POD_HOST)
    connect_from_node(dial, plan);
  else if (dial->role != KS_ROLE_NONE)
    connect_from_proxy(dial, plan);
  else
    connect_from_app(dial, plan);
}
