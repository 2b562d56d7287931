/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The only types that the kernel programs and userspace share: map keys and values, event, tags.
 * C11 that compiles as C++20. Fixed-width fields, explicit padding (`pad…`, always zero), no hidden
 * bytes: keys are compared as bytes. Addresses are 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d; ports are in host order; times are CLOCK_MONOTONIC nanoseconds; ids are the first
 * 64 bits of a SHA-256 (base/content_id.h), 0 = none. Who writes and reads each map: maps.bpf.h. */
#pragma once

#include <linux/types.h>

#include "keelson_abi/limits.h"

enum ks_reason {
#define KS_REASON(number, name, text) KS_REASON_##name = number,
#include "keelson_abi/reason.def"
#undef KS_REASON
};

struct ks_addr {
  __u32 word[4]; /* network order */
};

struct ks_endpoint {
  struct ks_addr addr;
  __u16 port; /* host order */
  __u16 pad;
};

/* ---- pods and addresses ------------------------------------------------------------------- */

enum ks_pod_flag {
  KS_POD_HOST = 1,       /* the node's own namespace: only probes are attested */
  KS_POD_STRICT = 2,     /* plaintext from outside is refused unless the port says otherwise */
  KS_POD_L7 = 4,         /* an L7 policy selects the pod: inbound goes to the plain listener */
  KS_POD_LOCAL_MTLS = 8, /* same-node traffic also uses mTLS */
};

/* ks_pod: key is the netns cookie (__u64). One row per enrolled pod of this node. */
struct ks_pod {
  __u64 identity;
  __u64 policy_set[2]; /* inbound: each non-zero set must allow. Two only while one replaces another
                        */
  __u64 egress_set;    /* outbound: 0 = everything allowed */
  __u64
      grace_until_ns; /* until then plaintext of mesh pods of other nodes is judged, not dropped */
  struct ks_addr addr4; /* primary addresses; all zero when the pod has none of that family */
  struct ks_addr addr6;
  __u32 slot;               /* 0 .. KS_PODS_MAX-1: the pod's place in ks_listener */
  __u32 flags;              /* ks_pod_flag */
  __u16 capture_port_first; /* capture ports are first .. first+count-1 */
  __u16 capture_port_count; /* 0 never: the agent refuses a pod without any */
  __u32 pad;
};

enum ks_port_flag {
  KS_PORT_PROBE = 1,        /* the pod names this port in a probe or lifecycle hook */
  KS_PORT_STRICT = 2,       /* overrides the pod's mode */
  KS_PORT_PERMISSIVE = 4,   /* overrides the pod's mode */
  KS_PORT_EXCLUDED_OUT = 8, /* outbound connections to this port are left alone */
};

/* ks_port: settings of one port of a local pod; most ports have no row. */
struct ks_port_key {
  __u64 pod; /* netns cookie */
  __u16 port;
  __u16 pad;
  __u32 pad2;
};
struct ks_port {
  __u32 flags; /* ks_port_flag */
};

enum ks_address_flag {
  KS_ADDRESS_LOCAL = 1,  /* an enrolled pod of this node: `pod` is its netns cookie */
  KS_ADDRESS_REMOTE = 2, /* a mesh pod of another node */
  KS_ADDRESS_READY = 4,  /* its node lists it as ready: HBONE is served, plaintext is never tried */
  /* A pod of this node that joins or leaves: sk_lookup lets what nobody vouches for through to it,
   * everybody else takes the row for absent. Without this state a pod whose sk_lookup program and
   * rows cannot change at the same instant would refuse connections in between. */
  KS_ADDRESS_OPEN = 8,
};

/* ks_address: key is struct ks_addr. Every address of every mesh pod known to this node. */
struct ks_address {
  __u64 pod;      /* netns cookie; 0 for pods of other nodes */
  __u64 identity; /* what the address claims */
  __u32 flags;    /* ks_address_flag */
  __u32 pad;
};

/* ks_interface: key is the ifindex (__u32) of the host side of a local pod's interface. */
struct ks_interface {
  __u64 pod; /* netns cookie: only its addresses may appear as source */
};

/* ---- services ------------------------------------------------------------------------------ */

enum ks_service_flag {
  KS_SERVICE_L7 = 1, /* routed per request: captured, and the kernel does not choose */
};

struct ks_service_key {
  struct ks_addr addr;
  __u16 port;
  __u8 protocol; /* IPPROTO_TCP */
  __u8 pad;
};
struct ks_service {
  __u64 id;
  __u32 backend_count;
  __u32 flags; /* ks_service_flag */
};
struct ks_backend_key {
  __u64 service;
  __u32 index; /* 0 .. backend_count-1 */
  __u32 pad;
};
struct ks_backend {
  struct ks_endpoint endpoint;
};

/* ---- policy: class tables of a content-hashed set ------------------------------------------ */

enum ks_verdict { KS_DENY = 0, KS_ALLOW = 1 };

enum ks_set_flag {
  KS_SET_ADDRESSES = 1, /* some rule has ipBlocks: look the address class up */
  KS_SET_PORTS = 2,     /* some rule has ports: look the port class up */
};

/* ks_set: key is the set's id (__u64). Written after every row of the set, removed before them:
 * a set without this row is incomplete and denies (`policy_missing`). */
struct ks_set {
  __u32 flags;                  /* ks_set_flag */
  __u32 identity_class_default; /* class of an identity without a row in ks_class_id */
};

#define KS_CLASS_NO_IDENTITY 0 /* identity class of a peer that proves none; never looked up */

/* ks_class_id -> __u32 class */
struct ks_class_id_key {
  __u64 set;
  __u64 identity;
};
/* ks_class_port -> __u32 class; no row: class 0 */
struct ks_class_port_key {
  __u64 set;
  __u16 port;
  __u16 pad;
  __u32 pad2;
};
/* ks_class_addr (LPM trie) -> __u32 class; no match: class 0. prefix_bits = 64 + address bits. */
struct ks_class_addr_key {
  __u32 prefix_bits;
  __u32 set_high; /* the set id, most significant half first: any fixed order will do */
  __u32 set_low;
  struct ks_addr addr;
};
/* ks_policy: dense over the set's classes. A missing row denies (`policy_missing`). */
struct ks_policy_key {
  __u64 set;
  __u32 identity_class;
  __u16 address_class;
  __u16 port_class;
};
struct ks_policy {
  __u64 policy;      /* id of the policy that decided; 0: no policy matched */
  __u8 verdict;      /* ks_verdict: for a peer whose *proven* identity has this class */
  __u8 deny_matched; /* 1: a DENY rule matches; also binding when the identity is only claimed */
  __u8 pad[6];
};

/* ---- connections --------------------------------------------------------------------------- */

enum ks_kind {
  KS_KIND_NONE = 0,
  KS_KIND_CAPTURE = 1, /* to the own pod's outbound listener */
  KS_KIND_DIRECT = 2,  /* to another enrolled pod of this node */
  KS_KIND_SELF = 3,    /* to the own pod */
  KS_KIND_DELIVER = 4, /* the proxy's socket, to the pod it was made for */
  KS_KIND_PROBE = 5,   /* from the node's namespace */
  KS_KIND_OUTSIDE = 6, /* accepted on our listener, and nobody vouches */
};

/* ks_tuple: attested connections in handshake, single use. Key: as the *receiver* sees it. */
struct ks_tuple_key {
  __u64 pod; /* receiving pod's netns cookie */
  struct ks_addr source;
  struct ks_addr destination;
  __u16 source_port;
  __u16 destination_port;
  __u32 pad;
};

/* Value of ks_tuple, of ks_pending (connecting socket) and of ks_socket (accepted socket): what the
 * kernel attests about a connection. The proxy reads it from ks_socket by its own fd. */
struct ks_attestation {
  __u64 source_pod; /* netns cookie */
  __u64 source_identity;
  __u64 receiver_pod;          /* netns cookie */
  __u64 service;               /* id of the Service dialled; 0: none */
  __u64 written_ns;            /* when the tuple was written or last refreshed */
  struct ks_endpoint original; /* what the application dialled */
  struct ks_endpoint chosen;   /* backend picked by the kernel; port 0: none picked */
  struct ks_endpoint note;     /* client address that the application should see; port 0: none */
  __u8 kind;                   /* ks_kind */
  __u8 rewritten;              /* 1: the destination was rewritten, getpeername shows `original` */
  __u8 reserved;               /* 1: holds one unit of the source pod's tuple budget */
  __u8 pad;
};

enum ks_role {
  KS_ROLE_NONE = 0,
  KS_ROLE_OUTBOUND = 1, /* listeners */
  KS_ROLE_HBONE = 2,
  KS_ROLE_PLAIN = 3,
  KS_ROLE_DIAL_DELIVER = 4, /* connecting sockets of the proxy */
  KS_ROLE_DIAL_HBONE = 5,
  KS_ROLE_DIAL_EGRESS = 6,
};

/* ks_tag (sk_storage, cloned to accepted sockets): written by keelson-hold only. */
struct ks_tag {
  __u64 pod;  /* netns cookie of the pod the socket was made in */
  __u32 role; /* ks_role */
  __u32 pad;
};

enum ks_family { KS_FAMILY_4 = 0, KS_FAMILY_6 = 1 };

/* Place of a listener in ks_listener (SOCKMAP). role: KS_ROLE_OUTBOUND .. KS_ROLE_PLAIN. */
#define KS_LISTENER_INDEX(slot, family, role) \
  ((slot)*KS_LISTENERS_PER_POD + (family)*3 + ((role)-KS_ROLE_OUTBOUND))

/* ---- events -------------------------------------------------------------------------------- */

enum ks_hook {
  KS_HOOK_CONNECT = 1,
  KS_HOOK_LOOKUP = 2,      /* refused packet; a refused *connection* only where a tuple was found */
  KS_HOOK_ESTABLISHED = 3, /* accepted side */
  KS_HOOK_SOURCE_CHECK = 4,
};

/* One record of the ring buffer ks_events. */
struct ks_event {
  __u64 time_ns;
  __u64 source_pod; /* netns cookie; 0: not a local pod */
  __u64 source_identity;
  __u64 destination_pod;
  __u64 destination_identity;
  __u64 service;
  __u64 policy;
  struct ks_endpoint source;
  struct ks_endpoint destination; /* where the connection really goes */
  struct ks_endpoint original;    /* what was dialled; equal to destination when not rewritten */
  __u16 reason;                   /* ks_reason */
  __u8 hook;                      /* ks_hook */
  __u8 verdict;                   /* ks_verdict */
};

/* ks_node: array of one. Written by the agent that owns the node. */
struct ks_node {
  __u64 epoch; /* fencing: an agent that reads a newer one stops writing */
};

/* Argument of the program ks_sweep (BPF_PROG_RUN by the agent), updated in place. */
struct ks_sweep {
  __u64 not_after_ns; /* rows of ks_tuple written or refreshed at or before this are removed */
  __u64 removed;      /* result: how many */
};

/* ---- layout, checked in both languages ------------------------------------------------------ */
#ifdef __cplusplus
#include <type_traits>
#define KS_ASSERT_LAYOUT(type, bytes)                            \
  static_assert(sizeof(type) == (bytes), #type " changed size"); \
  static_assert(std::has_unique_object_representations_v<type>, #type " has hidden bytes")
#else
#define KS_ASSERT_LAYOUT(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " changed size")
#endif
KS_ASSERT_LAYOUT(struct ks_addr, 16);
KS_ASSERT_LAYOUT(struct ks_endpoint, 20);
KS_ASSERT_LAYOUT(struct ks_pod, 88);
KS_ASSERT_LAYOUT(struct ks_port_key, 16);
KS_ASSERT_LAYOUT(struct ks_port, 4);
KS_ASSERT_LAYOUT(struct ks_address, 24);
KS_ASSERT_LAYOUT(struct ks_interface, 8);
KS_ASSERT_LAYOUT(struct ks_service_key, 20);
KS_ASSERT_LAYOUT(struct ks_service, 16);
KS_ASSERT_LAYOUT(struct ks_backend_key, 16);
KS_ASSERT_LAYOUT(struct ks_backend, 20);
KS_ASSERT_LAYOUT(struct ks_set, 8);
KS_ASSERT_LAYOUT(struct ks_class_id_key, 16);
KS_ASSERT_LAYOUT(struct ks_class_port_key, 16);
KS_ASSERT_LAYOUT(struct ks_class_addr_key, 28);
KS_ASSERT_LAYOUT(struct ks_policy_key, 16);
KS_ASSERT_LAYOUT(struct ks_policy, 16);
KS_ASSERT_LAYOUT(struct ks_tuple_key, 48);
KS_ASSERT_LAYOUT(struct ks_attestation, 104);
KS_ASSERT_LAYOUT(struct ks_tag, 16);
KS_ASSERT_LAYOUT(struct ks_event, 120);
KS_ASSERT_LAYOUT(struct ks_node, 8);
KS_ASSERT_LAYOUT(struct ks_sweep, 16);
