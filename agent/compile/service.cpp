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

void report_left_alone(ServiceUnit& unit, const model::Service& service) {
  if (service.external_name)
    report(unit, service, Severity::kInfo, "spec.type ExternalName has no address to route", "");
  else if (service.session_affinity)
    report(unit, service, Severity::kWarning,
           "spec.sessionAffinity ClientIP is not implemented: kube-proxy serves this Service",
           "remove sessionAffinity to have it meshed");
  else if (service.internal_traffic_local)
    report(unit, service, Severity::kWarning,
           "spec.internalTrafficPolicy Local is not implemented: kube-proxy serves this Service",
           "remove internalTrafficPolicy to have it meshed");
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

ServicePortUnit compile_port(const model::Service& service, const model::ServicePort& port,
                             const Slices& slices) {
  const auto& key = service.meta.key;
  ServicePortUnit unit{port.port, service_ids(service, port.port), {}};
  for (const ks_family family : {KS_FAMILY_4, KS_FAMILY_6}) {
    if (unit.ids[family] == 0) continue;
    auto set = std::make_shared<config::EndpointSet>();
    set->service = key.ns + "/" + key.name + ":" + std::to_string(port.port);
    const std::set<Endpoint> endpoints = endpoints_of(service, port, slices, family);
    set->endpoints.assign(endpoints.begin(), endpoints.end());
    unit.endpoints[family] = std::move(set);
  }
  return unit;
}

void add_rows(ServiceUnit& unit, const ServicePortUnit& port, const IpAddress& cluster_ip) {
  const ks_family family = cluster_ip.family();
  const uint64_t id = port.ids[family];
  uint32_t count = 0;
  for (const Endpoint& endpoint : port.endpoints[family]->endpoints)
    unit.rows.push_back(
        make_row(MapId::kBackend, ks_backend_key{id, count++, 0}, ks_backend{endpoint.raw()}));
  unit.rows.push_back(make_row(MapId::kService,
                               ks_service_key{cluster_ip.raw(), port.port, IPPROTO_TCP, 0},
                               ks_service{id, count, 0}));
}

}  // namespace

bool is_left_to_kube_proxy(const model::Service& service) {
  return service.external_name || service.session_affinity || service.internal_traffic_local;
}

std::array<uint64_t, 2> service_ids(const model::Service& service, uint16_t port) {
  std::array<uint64_t, 2> ids = {0, 0};
  const auto& key = service.meta.key;
  for (const ks_family family : {KS_FAMILY_4, KS_FAMILY_6}) {
    const bool has_family =
        service.headless || std::ranges::any_of(service.cluster_ips, [&](const IpAddress& address) {
          return address.family() == family;
        });
    if (has_family) ids[family] = service_id(key.ns, key.name, port, family);
  }
  return ids;
}

ServiceUnit compile_service(const model::Service& service, const Slices& slices) {
  ServiceUnit unit;
  const bool has_rows = !is_left_to_kube_proxy(service) && !service.headless;
  report_left_alone(unit, service);
  if (service.external_name) return unit;
  for (const auto& port : service.ports) {
    if (!port.is_tcp) {
      if (has_rows)
        report(unit, service, Severity::kInfo,
               "port " + std::to_string(port.port) + " is not TCP: kube-proxy serves it", "");
      continue;
    }
    ServicePortUnit compiled = compile_port(service, port, slices);
    for (const uint64_t id : compiled.ids)
      if (id != 0) unit.ids.push_back(id);
    if (has_rows)
      for (const auto& cluster_ip : service.cluster_ips) add_rows(unit, compiled, cluster_ip);
    unit.ports.push_back(std::move(compiled));
  }
  return unit;
}

}  // namespace keelson::compile
