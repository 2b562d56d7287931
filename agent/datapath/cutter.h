// Cutter: lists a pod's established TCP connections and destroys chosen ones, through the
// sock_diag netlink socket that keelson-hold opened inside the pod (sock_diag(7)). A connection is
// always named by its socket cookie: SOCK_DESTROY of a 4-tuple that is gone falls through to a
// listener and destroys that. Agent loop only; waits for the kernel's answer, at most a second.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace keelson::datapath {

struct Connection {
  Endpoint local;
  Endpoint remote;
  uint64_t cookie = 0;  // SO_COOKIE
  // ks_socket: what the kernel attests about an accepted connection. None: the pod's own dial, or
  // plaintext that an application accepted.
  std::optional<ks_attestation> attestation;
  bool accepted = false;  // attested, or its local port is one that the pod listens on
};

// `socket_map` is ks_socket (-1: without attestations).
Result<std::vector<Connection>> list_connections(const Fd& sock_diag, int socket_map);

// Destroys those of `connections` that `chosen` selects; both ends see a reset. Returns how many:
// one that ended by itself meanwhile is not counted and is no error.
Result<uint32_t> cut_connections(const Fd& sock_diag, const std::vector<Connection>& connections,
                                 const std::function<bool(const Connection&)>& chosen);

}  // namespace keelson::datapath
