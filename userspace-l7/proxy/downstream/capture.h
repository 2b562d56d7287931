// Capture: where a connection on a pod's outbound listener was going, as the kernel recorded it
// when it steered it here. Read once, at accept. Any thread; a plain value.
#pragma once

#include "io/socket.h"
#include "proxy/connection.h"

namespace keelson::proxy {

struct Capture {
  Endpoint client;
  Endpoint original;  // what the application dialled
  Endpoint chosen;    // the kernel's endpoint of an L4 Service; port 0: none
  uint64_t service_id = 0;
  std::shared_ptr<const config::Service> service;  // null: none, or not known to this proxy

  // The kernel left the choice of an endpoint to us: every request is routed.
  bool is_per_request() const noexcept { return service_id != 0 && chosen.port == 0; }
  const Endpoint& destination() const noexcept { return chosen.port != 0 ? chosen : original; }
};

// Error: attestation_missing, attestation_mismatch: not dialled by `pod`'s own application;
// destination_unknown: a capture for a Service that this proxy does not know.
Result<Capture> read_capture(const Services& services, const config::LocalPod& pod,
                             const io::Socket& socket);

}  // namespace keelson::proxy
