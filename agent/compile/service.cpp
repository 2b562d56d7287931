#include "compile/service.h"

#include <netinet/in.h>

#include <algorithm>
#include <set>

#include "compile/ids.h"

namespace keelson::compile {
namespace {

using model::Severity;

void report(ServiceUnit& unit, const model::Service& service, Severity severity,
            std::string message, std::string fix) {
  unit.findings.push_back({severity, Reason::unsupported_field, service.meta.where,
                           service.meta.key.to_string(), std::move(message), std::move(fix)});
}

// True when kube-proxy must keep the whole Service.
bool left_to_kube_proxy(ServiceUnit& unit, const model::Service& service) {
  if (service.external_name) {
    report(unit, service, Severity::kInfo, "spec.type ExternalName has no address to route", "");
    return true;
  }
  if (service.session_affinity) {
    report(unit, service, Severity::kWarning,
           "spec.sessionAffinity ClientIP is not implemented: kube-proxy serves this Service",
           "remove sessionAffinity to have it meshed");
    return true;
  }
  if (service.internal_traffic_local) {
    report(unit, service, Severity::kWarning,
           "spec.internalTrafficPolicy Local is not implemented: kube-proxy serves this Service",
           "remove internalTrafficPolicy to have it meshed");
    return true;
  }
  return false;
}

// Ready endpoints; when there is none, those that still serve while they terminate, as kube-proxy
// does (Kubernetes KEP-1669).
std::set<Endpoint> endpoints_of(const model::Service& service, const model::ServicePort& port,
                                const Slices& slices, ks_family family) {
  std::set<Endpoint> ready;
  std::set<Endpoint> terminating;
  for (const auto& slice : slices)
    for (const auto& slice_port : slice->ports) {
      if (!slice_port.is_tcp || slice_port.name != port.name || slice_port.port == 0) continue;
      for (const auto& endpoint : slice->endpoints)
        for (const auto& address : endpoint.addresses) {
          if (address.family() != family || address.is_unspecified()) continue;
          if (endpoint.ready || service.publish_not_ready)
            ready.insert({address, slice_port.port});
          else if (endpoint.serving && endpoint.terminating)
            terminating.insert({address, slice_port.port});
        }
    }
  return ready.empty() ? terminating : ready;
}

void compile_port(ServiceUnit& unit, const model::Service& service, const model::ServicePort& port,
                  const IpAddress& cluster_ip, const Slices& slices) {
  const auto& key = service.meta.key;
  const uint64_t id = service_id(key.ns, key.name, port.port, cluster_ip.family());
  unit.ids.push_back(id);
  uint32_t count = 0;
  for (const Endpoint& endpoint : endpoints_of(service, port, slices, cluster_ip.family()))
    unit.rows.push_back(
        make_row(MapId::kBackend, ks_backend_key{id, count++, 0}, ks_backend{endpoint.raw()}));
  unit.rows.push_back(make_row(MapId::kService,
                               ks_service_key{cluster_ip.raw(), port.port, IPPROTO_TCP, 0},
                               ks_service{id, count, 0}));
}

}  // namespace

ServiceUnit compile_service(const model::Service& service, const Slices& slices) {
  ServiceUnit unit;
  if (left_to_kube_proxy(unit, service) || service.headless) return unit;
  for (const auto& port : service.ports) {
    if (!port.is_tcp) {
      report(unit, service, Severity::kInfo,
             "port " + std::to_string(port.port) + " is not TCP: kube-proxy serves it", "");
      continue;
    }
    for (const auto& cluster_ip : service.cluster_ips)
      compile_port(unit, service, port, cluster_ip, slices);
  }
  return unit;
}

}  // namespace keelson::compile
