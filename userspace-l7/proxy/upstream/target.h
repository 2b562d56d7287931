// Target: an endpoint as one pod reaches it: which way, as whom, and who is expected there.
// resolve_target() and judge() are pure. Any thread.
#pragma once

#include <memory>
#include <string>

#include "proxy/serving_config.h"

namespace keelson::proxy {

struct Target {
  enum class Way : uint8_t {
    kLocal,  // a pod of this node, within the node: judged here, nobody else will
    kHbone,  // mTLS; the other end judges
    kEgress  // not in the mesh: plaintext, where the source's egress policy allows (the kernel's)
  };
  Way way = Way::kEgress;
  std::shared_ptr<const config::LocalPod> source;
  std::shared_ptr<const config::LocalPod> receiver;  // kLocal only; may be `source` itself
  Endpoint destination;
  uint64_t destination_identity = 0;
  std::string workload;  // "namespace/pod"; empty: not in the mesh
  // The caller's to fill in:
  Endpoint client;                                 // of the application's connection
  std::shared_ptr<const config::Service> service;  // that was dialled; null: none

  // The client as the receiver sees it: direct traffic has an address of the receiver's family.
  Endpoint visible_client() const noexcept;
};

// "pay.shop.svc"
std::string host_of(const config::Service& service);

// The way that the kernel would take for L4 traffic (bpf/lib/capture.h, connect_by_address): a pod
// that its node does not list as ready is reached as if it were not in the mesh; should it have
// become ready meanwhile, the kernel refuses the `egress` socket.
// Error: pod_record_missing, hbone_port_dial.
Result<Target> resolve_target(const ServingConfig& config,
                              std::shared_ptr<const config::LocalPod> source,
                              const Endpoint& destination);

// For kLocal the verdict of the receiver's policies, as the kernel gives it for direct traffic
// (bpf/lib/lookup.h, lookup_attested); other ways are allowed here. A receiver that is gone, or
// that needs L7 checks, is denied.
config::Decision judge(const ServingConfig& config, const Target& target);

}  // namespace keelson::proxy
