/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Source check, tc ingress at the host side of each pod's interface: an IP packet must carry one of
 * the pod's own addresses. Identity by address leans on it. Reads ks_interface and ks_address. */
#include "lib/addr.h"
#include "lib/flow.h"

#define KS_ETH_IPV4 0x0800
#define KS_ETH_IPV6 0x86dd
#define KS_TC_PASS -1 /* TC_ACT_UNSPEC: other programs still run */
#define KS_TC_DROP 2  /* TC_ACT_SHOT */

#define KS_HEADERS_BYTES (14 + 40) /* Ethernet and IPv6 */

/* Bytes of the network header. A pod may send frames whose header is not linear: pull, then retry.
 */
static __always_inline long header_load(struct __sk_buff* skb, void* to, __u32 bytes) {
  if (!bpf_skb_load_bytes_relative(skb, 0, to, bytes, BPF_HDR_START_NET)) return 0;
  __u32 wanted = skb->len < KS_HEADERS_BYTES ? skb->len : KS_HEADERS_BYTES;
  if (bpf_skb_pull_data(skb, wanted)) return -1;
  return bpf_skb_load_bytes_relative(skb, 0, to, bytes, BPF_HDR_START_NET);
}

/* 0, or why the packet has no usable source. */
static __always_inline __u32 source_read(struct __sk_buff* skb, bool is4, struct ks_addr* source) {
  __u8 version;
  if (header_load(skb, &version, 1)) return KS_REASON_packet_malformed;
  if (is4) {
    __u32 header[5]; /* the fixed 20 bytes; the source is the fourth word */
    if ((version >> 4) != 4 || (version & 15) < 5) return KS_REASON_packet_malformed;
    if (header_load(skb, header, sizeof(header))) return KS_REASON_packet_malformed;
    addr_map4(source, header[3]);
    return 0;
  }
  __u32 header[10]; /* 40 bytes; the source starts at byte 8 */
  if ((version >> 4) != 6) return KS_REASON_packet_malformed;
  if (header_load(skb, header, sizeof(header))) return KS_REASON_packet_malformed;
  for (int i = 0; i < 4; i++) source->word[i] = header[2 + i];
  /* On the wire this form is never right, and it would be taken for the IPv4 address. */
  if (addr_is4(source)) return KS_REASON_source_spoofed;
  return 0;
}

static __always_inline int source_drop(__u64 pod, const struct ks_addr* source, __u32 reason) {
  flow_count(reason);
  struct ks_event* event = flow_event(reason, KS_HOOK_SOURCE_CHECK, KS_DENY);
  if (!event) return KS_TC_DROP;
  event->source_pod = pod;
  event->source.addr = *source;
  bpf_ringbuf_submit(event, 0);
  return KS_TC_DROP;
}

SEC("tc")
int ks_source(struct __sk_buff* skb) {
  __u32 ethertype = bpf_ntohs((__u16)skb->protocol);
  if (ethertype != KS_ETH_IPV4 && ethertype != KS_ETH_IPV6) return KS_TC_PASS;
  __u32 ifindex = skb->ifindex;
  struct ks_interface* interface = bpf_map_lookup_elem(&ks_interface, &ifindex);
  if (!interface) return KS_TC_PASS;
  __u64 pod = interface->pod;
  struct ks_addr source = {};
  bool is4 = ethertype == KS_ETH_IPV4;
  __u32 reason = source_read(skb, is4, &source);
  if (reason) return source_drop(pod, &source, reason);
  /* Neighbour discovery and duplicate address detection need these two. */
  if (!is4 && (addr_is_zero(&source) || addr_is_link_local(&source))) return KS_TC_PASS;
  struct ks_address* owner = bpf_map_lookup_elem(&ks_address, &source);
  if (!owner) return source_drop(pod, &source, KS_REASON_source_spoofed);
  /* A pod that joins or leaves keeps its packets: its rows are open, not local. */
  if (owner->pod != pod || !(owner->flags & (KS_ADDRESS_LOCAL | KS_ADDRESS_OPEN)))
    return source_drop(pod, &source, KS_REASON_source_spoofed);
  return KS_TC_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
