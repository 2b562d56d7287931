/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services: from {address, port} to a Service and from there to one of its backends. Reads
 * ks_service and ks_backend. Does not decide what happens to the connection: capture.h. */
#pragma once

#include "lib/addr.h"
#include "maps.bpf.h"

#define KS_TCP 6

static __always_inline struct ks_service* service_find(const struct ks_endpoint* dialled) {
  struct ks_service_key key = {.addr = dialled->addr, .port = dialled->port, .protocol = KS_TCP};
  return bpf_map_lookup_elem(&ks_service, &key);
}

/* Picks a backend at random. 0, or the reason why there is none. */
static __always_inline __u32 backend_choose(const struct ks_service* service,
                                            struct ks_endpoint* chosen) {
  /* Twice: between reading the count and the row the agent may have shrunk the Service. */
  for (int attempt = 0; attempt < 2; attempt++) {
    __u32 count = *(volatile const __u32*)&service->backend_count;
    if (count == 0) return KS_REASON_no_endpoint;
    struct ks_backend_key key = {.service = service->id, .index = bpf_get_prandom_u32() % count};
    struct ks_backend* backend = bpf_map_lookup_elem(&ks_backend, &key);
    if (backend) {
      *chosen = backend->endpoint;
      return 0;
    }
  }
  return KS_REASON_backend_missing;
}
