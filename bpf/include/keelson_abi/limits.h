/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sizes and limits that the kernel programs and userspace must agree on.
 * One limit, one line: its unit, and what happens when it is reached. */
#pragma once

/* Enrolled pods of one node (slots). More: enrolment is refused (`pod_slots_exhausted`). */
#define KS_PODS_MAX 1024
/* Listeners a pod owns: two families times three roles (outbound, hbone, plain). */
#define KS_LISTENERS_PER_POD 6
/* Addresses of enrolled local pods and of mesh pods of other nodes. */
#define KS_ADDRESSES_MAX 262144
/* {address, port} pairs that are Services. */
#define KS_SERVICES_MAX 131072
/* Backends, all Services together. */
#define KS_BACKENDS_MAX 524288
/* Per-port settings of local pods. */
#define KS_PORTS_MAX 65536
/* Connections in handshake, node-wide. Full: the receiver refuses, `tuple_map_full`. */
#define KS_TUPLES_MAX 65536
/* Pairs of a source and an endpoint whose last direct attempt is remembered. */
#define KS_ATTEMPTS_MAX 4096
/* Ended connections that are remembered, the newest, and how long what still arrives for one counts
 * as late (`late_packet`) and not as refused: a reset meets it within a round trip. */
#define KS_ENDED_MAX 65536
#define KS_LATE_NS 1000000000ull
/* Connections in handshake, one pod. More: EPERM at connect, `tuple_budget`. */
#define KS_TUPLES_PER_POD_MAX 16384
/* Policy sets, and rows of the class tables of all sets together. */
#define KS_POLICY_SETS_MAX 16384
#define KS_POLICY_ROWS_MAX 1048576
#define KS_POLICY_CLASS_ROWS_MAX 1048576
/* Rows of one set's dense table. More: the set is refused and denies. */
#define KS_POLICY_ROWS_PER_SET_MAX 16384
/* Flow events: bytes of the ring buffer, a power of two. Full: `events_lost` counts. */
#define KS_EVENTS_BYTES (1 << 20)
/* One past the largest number in reason.def. */
#define KS_REASONS_MAX 512

/* HBONE port on the wire. Nothing of ours listens on it inside a pod. */
#define KS_HBONE_PORT 15008
/* Capture ports are picked in [first, last], minus the pod's ephemeral range. */
#define KS_CAPTURE_PORT_FIRST 1024
#define KS_CAPTURE_PORT_LAST 32767
