/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map of the datapath, in one place. All objects include this file, so each of them names all
 * maps and shares them through pins (the name of the pin is the name of the map).
 * Rows that the agent writes are configuration: BPF_F_NO_PREALLOC, memory follows use, a full map
 * is an error of the agent's write and never of a packet. Rows that the kernel writes are in
 * flight: a full map refuses the connection. Types: keelson_abi/abi.h. Write order: agent/rollout.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "keelson_abi/abi.h"

/* ---- configuration: written by the agent, read by the programs ------------------------------ */

/* ks_pod. key: netns cookie. Read by every hook but source_check: a miss means "not enrolled".
 * Lifetime: enrolment. Full: enrolment refused (`pod_slots_exhausted`). */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_PODS_MAX + 1); /* one row more for the node's own namespace */
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct ks_pod);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_pod SEC(".maps");

/* ks_port. key: pod and port. Read by connect (exclusions, probes) and sk_lookup (mode).
 * Lifetime: enrolment. Full: the agent reports the pod. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_PORTS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct ks_port_key);
  __type(value, struct ks_port);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_port SEC(".maps");

/* ks_address. key: address. Read by connect, sk_lookup and source_check: who owns an address.
 * Lifetime: as long as a node lists the pod. Full: the agent reports; an unlisted remote pod is
 * taken for the outside, an unlisted local address is refused. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_ADDRESSES_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct ks_addr);
  __type(value, struct ks_address);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_address SEC(".maps");

/* ks_interface. key: ifindex of the host side of a pod's interface. Read by source_check.
 * Lifetime: enrolment. Full: enrolment refused. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_PODS_MAX * 4); /* pods may have more than one interface */
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u32);
  __type(value, struct ks_interface);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_interface SEC(".maps");

/* ks_service. key: address, port, protocol. Read by connect. Lifetime: the Service's.
 * Full: the agent reports the Service; it is left to kube-proxy. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_SERVICES_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct ks_service_key);
  __type(value, struct ks_service);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_service SEC(".maps");

/* ks_backend. key: service id and index. Read by connect. Rows are written before the service row
 * that counts them and removed after it. Full: as ks_service. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_BACKENDS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct ks_backend_key);
  __type(value, struct ks_backend);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_backend SEC(".maps");

/* ks_set. key: set id. Read by the policy check; its presence says that the set is complete.
 * Lifetime: while a pod row names the set. Full: the set denies (`policy_missing`). */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_POLICY_SETS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct ks_set);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_set SEC(".maps");

/* ks_class_id. key: set and identity; value: identity class. Lifetime and full: as ks_set. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_POLICY_CLASS_ROWS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct ks_class_id_key);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_class_id SEC(".maps");

/* ks_class_port. key: set and port; value: port class. Lifetime and full: as ks_set. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_POLICY_CLASS_ROWS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct ks_class_port_key);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_class_port SEC(".maps");

/* ks_class_addr. key: prefix of set and address; value: address class. Only sets with ipBlocks have
 * rows. Lifetime and full: as ks_set. */
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, KS_POLICY_CLASS_ROWS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct ks_class_addr_key);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_class_addr SEC(".maps");

/* ks_policy. key: set and the three classes; value: verdict. Lifetime and full: as ks_set. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_POLICY_ROWS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct ks_policy_key);
  __type(value, struct ks_policy);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_policy SEC(".maps");

/* ks_listener. index: KS_LISTENER_INDEX; value: the listening socket (user space writes its fd,
 * reads its cookie). Read by sk_lookup. The map holds no reference: when the last fd of a listener
 * is closed its entry is gone and the connection is refused (`listener_missing`). */
struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, KS_PODS_MAX* KS_LISTENERS_PER_POD);
  __type(key, __u32);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_listener SEC(".maps");

/* ks_node. One row, the fencing epoch. Written and read by agents only. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct ks_node);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_node SEC(".maps");

/* ---- connections: written by the programs ---------------------------------------------------- */

/* ks_tuple. key: receiving pod and 4-tuple as the receiver sees it. Written at TCP_CONNECT_CB, read
 * by sk_lookup, removed at the receiver's PASSIVE_ESTABLISHED, at the client's close, or by
 * ks_sweep. Preallocated, because connect must not depend on an atomic allocation; not LRU, because
 * evicting an attestation would refuse a stranger's connection. Full: not written, the receiver
 * refuses (`tuple_map_full`). */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_TUPLES_MAX);
  __type(key, struct ks_tuple_key);
  __type(value, struct ks_attestation);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_tuple SEC(".maps");

/* ks_attempt. key: that of ks_tuple without the source port; value: the source port of the last
 * direct attempt. Written at TCP_CONNECT_CB, read where a tuple is missing (lib/tuple.h). LRU: to
 * lose a row costs only connections whose source port is changed on their way. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, KS_ATTEMPTS_MAX);
  __type(key, struct ks_tuple_key);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_attempt SEC(".maps");

/* ks_ended. key: that of ks_tuple, as the ended socket saw its peer's packets; value: when it
 * ended, ns of CLOCK_MONOTONIC. Written at the close of a socket of the mesh, read by sk_lookup
 * where it refuses: sk_lookup sees no flags and takes a late packet for a connection. Decides
 * nothing. LRU: to lose a row shows a late packet as a refusal. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, KS_ENDED_MAX);
  __type(key, struct ks_tuple_key);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_ended SEC(".maps");

/* ks_budget. key: netns cookie of the connecting pod; value: its rows in ks_tuple. Created and
 * counted by the programs; the agent removes the row with the pod and otherwise leaves it alone.
 * Full: connect is refused (`tuple_budget`). */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KS_PODS_MAX * 2);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_budget SEC(".maps");

/* ks_pending: facts of a connecting socket. Written by connect, read by sock_ops and getpeername.
 * Lifetime: until the socket's next connect or its end. No memory: EPERM (`storage_full`). */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct ks_attestation);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_pending SEC(".maps");

/* ks_socket: facts of an accepted socket. Written by sock_ops before accept() can return, read by
 * the proxy (read-only fd, key: its socket's fd) and by getpeername. Lifetime: the socket's.
 * No memory: no record, and the proxy refuses. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct ks_attestation);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_socket SEC(".maps");

/* ks_note: the client address that an application should see. Written by the proxy on its `deliver`
 * socket before each connect(), consumed by connect. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct ks_endpoint);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_note SEC(".maps");

/* ks_tag: what a socket may do. Written by keelson-hold through the socket's fd, cloned from a
 * listener to what it accepts. Lifetime: the socket's, connect(AF_UNSPEC) included. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
  __type(key, int);
  __type(value, struct ks_tag);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_tag SEC(".maps");

/* ks_events: struct ks_event records. Written by the programs, read by one agent. Full: the record
 * is lost and counted (`events_lost`). */
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, KS_EVENTS_BYTES);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_events SEC(".maps");

/* ks_counters. index: ks_reason. Written by the programs, summed over CPUs by the agent. Unit:
 * connections where connect or sock_ops counts, packets where sk_lookup or source_check does
 * (refusals, and what nobody vouches for). */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, KS_REASONS_MAX);
  __type(key, __u32);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ks_counters SEC(".maps");
