// ServingConfig: one generation as the workers use it: the RuntimeConfig and, made once, a
// TlsContext for each identity of this node's pods and a RouteTable for each set of routes.
// Immutable, shared by pointer; a connection keeps the lease it began with. Any thread reads.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "config/runtime_config.h"
#include "proxy/route/route_table.h"
#include "tls/tls_context.h"

namespace keelson::proxy {

using TlsContexts = std::unordered_map<uint64_t, std::shared_ptr<const tls::TlsContext>>;

using RouteTables = std::unordered_map<const config::RouteSet*, std::shared_ptr<const RouteTable>>;

struct ServingConfig {
  std::shared_ptr<const config::RuntimeConfig> runtime;
  TlsContexts contexts;  // by identity
  std::unordered_map<IpAddress, std::shared_ptr<const config::LocalPod>, config::AddressHash>
      pods_by_address;
  RouteTables routes;  // one that cannot be used is not in it: its requests are refused

  uint64_t generation() const noexcept { return runtime->generation; }
  const config::Identity* identity(uint64_t id) const noexcept;
  const config::Workload* workload(const IpAddress& address) const noexcept;
  std::shared_ptr<const config::LocalPod> pod(const std::string& uid) const noexcept;
  std::shared_ptr<const config::LocalPod> pod_by_cookie(uint64_t netns_cookie) const noexcept;
  std::shared_ptr<const config::LocalPod> pod_by_address(const IpAddress& address) const noexcept;
  // Null: not usable.
  const RouteTable* route_table(const config::RouteSet* set) const noexcept;
  // Null: the identity has no certificate yet, or none that can be used.
  std::shared_ptr<const tls::TlsContext> context(uint64_t identity) const noexcept;
};

using ConfigLease = std::shared_ptr<const ServingConfig>;

// Unchanged routes keep their table. Unchanged key material keeps its context, so that a comparison
// of pointers tells a renewal. An identity whose material cannot be used keeps its last good
// context and is reported in `findings`; the others advance.
ConfigLease make_serving_config(std::shared_ptr<const config::RuntimeConfig> runtime,
                                const ServingConfig* previous, std::vector<Error>& findings);

}  // namespace keelson::proxy
