/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses: one 16-byte type inside, IPv4 as ::ffff:a.b.c.d. Only entry points know families.
 * Pure: no maps. */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "keelson_abi/abi.h"

#define KS_AF_INET 2
#define KS_AF_INET6 10

/* clang 14 merges the context loads of two branches behind one computed offset, which the verifier
 * refuses; `volatile` does not stop it. A load in asm keeps its constant offset. */
#define KS_CTX_LOAD(ctx, field)                                               \
  ({                                                                          \
    __u64 loaded_;                                                            \
    asm volatile("%0 = *(u32 *)(%1 + %2)"                                     \
                 : "=r"(loaded_)                                              \
                 : "r"(ctx), "i"(__builtin_offsetof(typeof(*(ctx)), field))); \
    (__u32) loaded_;                                                          \
  })

#define KS_CTX_LOAD_ADDR6(to, ctx, field)       \
  ({                                            \
    (to)->word[0] = KS_CTX_LOAD(ctx, field[0]); \
    (to)->word[1] = KS_CTX_LOAD(ctx, field[1]); \
    (to)->word[2] = KS_CTX_LOAD(ctx, field[2]); \
    (to)->word[3] = KS_CTX_LOAD(ctx, field[3]); \
  })

static __always_inline void addr_map4(struct ks_addr* to, __u32 ip) {
  to->word[0] = 0;
  to->word[1] = 0;
  to->word[2] = bpf_htonl(0xffff);
  to->word[3] = ip;
}

static __always_inline bool addr_is4(const struct ks_addr* addr) {
  return addr->word[0] == 0 && addr->word[1] == 0 && addr->word[2] == bpf_htonl(0xffff);
}

static __always_inline bool addr_is_zero(const struct ks_addr* addr) {
  return (addr->word[0] | addr->word[1] | addr->word[2] | addr->word[3]) == 0;
}

/* 127/8 and ::1. */
static __always_inline bool addr_is_loopback(const struct ks_addr* addr) {
  if (addr_is4(addr)) return (addr->word[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
  return addr->word[0] == 0 && addr->word[1] == 0 && addr->word[2] == 0 &&
         addr->word[3] == bpf_htonl(1);
}

/* 0.0.0.0 and ::. After the hook the kernel turns them into loopback or the bound source. */
static __always_inline bool addr_is_any(const struct ks_addr* addr) {
  return addr->word[0] == 0 && addr->word[1] == 0 && addr->word[3] == 0 &&
         (addr->word[2] == 0 || addr->word[2] == bpf_htonl(0xffff));
}

/* fe80::/10 */
static __always_inline bool addr_is_link_local(const struct ks_addr* addr) {
  return (addr->word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

static __always_inline bool addr_equal(const struct ks_addr* a, const struct ks_addr* b) {
  return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
         a->word[3] == b->word[3];
}
