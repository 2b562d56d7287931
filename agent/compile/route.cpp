#include "compile/route.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

#include "compile/service.h"

namespace keelson::compile {
namespace {

using config::PathMatch;
using model::HttpRoute;
using model::HttpRouteRule;
using model::RouteParent;
using model::Severity;

std::shared_ptr<const model::Service> find_service(const model::Snapshot& snapshot,
                                                   const std::string& ns, const std::string& name) {
  const auto found = snapshot.services.find({model::Kind::kService, ns, name});
  return found == snapshot.services.end() ? nullptr : found->second;
}

const model::ServicePort* find_port(const model::Service& service, uint16_t number) {
  for (const auto& port : service.ports)
    if (port.is_tcp && port.port == number) return &port;
  return nullptr;
}

void report(RouteUnit& unit, const HttpRoute& route, uint32_t line, Reason reason,
            std::string message, std::string fix) {
  model::SourceRef where = route.meta.where;
  if (line != 0) where.line = line;
  unit.findings.push_back({Severity::kWarning, reason, where, route.meta.key.to_string(),
                           std::move(message), std::move(fix)});
}

std::string text_of(const ServiceName& name) {
  return name.first + "/" + name.second;
}

// ---- parents ---------------------------------------------------------------------------------

// Why no route can be applied to the Service's clients; empty: it can.
std::pair<std::string, std::string> parent_problem(const model::Service& service) {
  if (service.external_name) return {"is an ExternalName, which has no clients' address", ""};
  if (service.headless || service.cluster_ips.empty())
    return {"is headless: clients dial its pods, which no route sees", "give it a clusterIP"};
  if (is_left_to_kube_proxy(service))
    return {"is left to kube-proxy, so no route is applied",
            "remove sessionAffinity and internalTrafficPolicy from it"};
  return {};
}

// The routes are applied; the port's own word differs.
void report_protocol(RouteUnit& unit, const HttpRoute& route, const RouteParent& parent,
                     const model::Service& service, const model::ServicePort& port) {
  const std::string where = "port " + std::to_string(port.port) + " of Service " +
                            service.meta.key.ns + "/" + service.meta.key.name;
  if (port.app_protocol == model::AppProtocol::kHttp2)
    report(unit, route, parent.line, Reason::unsupported_field,
           where + " speaks HTTP/2 by its name or appProtocol; routes read HTTP/1.1 only",
           "have its clients speak HTTP/1.1, or remove the route");
  else if (port.is_declared && port.app_protocol == model::AppProtocol::kTcp)
    report(unit, route, parent.line, Reason::bad_value,
           where + " has an appProtocol that is not HTTP; the route makes it HTTP",
           "set appProtocol: http on the port, or remove the route");
}

// The Service's ports that the route concerns by any of its parentRefs.
std::set<uint16_t> ports_of(RouteUnit& unit, const HttpRoute& route,
                            const model::Service& service) {
  std::set<uint16_t> ports;
  for (const RouteParent& parent : route.parents) {
    if (parent.ns != service.meta.key.ns || parent.name != service.meta.key.name) continue;
    bool found = false;
    for (const auto& port : service.ports) {
      if (!port.is_tcp || (parent.port != 0 && parent.port != port.port) ||
          (!parent.section.empty() && parent.section != port.name))
        continue;
      found = true;
      if (ports.insert(port.port).second) report_protocol(unit, route, parent, service, port);
    }
    if (found) continue;
    const std::string wanted = (parent.port == 0 ? "" : " " + std::to_string(parent.port)) +
                               (parent.section.empty() ? "" : " called '" + parent.section + "'");
    report(unit, route, parent.line, Reason::dangling_reference,
           "Service " + parent.ns + "/" + parent.name + " has no TCP port" + wanted,
           "name one of its ports, or leave port and sectionName out");
  }
  return ports;
}

void report_all(RouteUnit& unit, const ServiceName& service, const Routes& routes, Reason reason,
                const std::string& message, const std::string& fix) {
  for (const auto& route : routes)
    for (const RouteParent& parent : route->parents)
      if (parent.ns == service.first && parent.name == service.second)
        report(unit, *route, parent.line, reason, message, fix);
}

// ---- rules -----------------------------------------------------------------------------------

// Why requests cannot be sent there; empty: they can. Readiness of endpoints is the proxy's matter.
std::string backend_problem(const model::RouteBackendRef& ref, const model::Service* service) {
  if (ref.kind != "Service") return "kind " + ref.kind + " cannot be a backend";
  const std::string name = "Service " + ref.ns + "/" + ref.name;
  if (service == nullptr) return "there is no " + name;
  if (service->external_name) return name + " is an ExternalName, which has no endpoints";
  if (find_port(*service, ref.port) == nullptr)
    return name + " has no TCP port " + std::to_string(ref.port);
  return {};
}

// An invalid backend keeps its weight: its share of the requests is answered 500.
config::RouteBackend compile_backend(RouteUnit& unit, const model::Snapshot& snapshot,
                                     const HttpRoute& route, const model::RouteBackendRef& ref) {
  config::RouteBackend backend;
  backend.weight = ref.weight;
  backend.name = ref.ns + "/" + ref.name + ":" + std::to_string(ref.port);
  backend.request_headers = ref.request_headers;
  backend.response_headers = ref.response_headers;
  const auto service = find_service(snapshot, ref.ns, ref.name);
  const std::string problem = backend_problem(ref, service.get());
  backend.is_valid = problem.empty();
  if (backend.is_valid)
    backend.service = service_ids(*service, ref.port);
  else
    report(unit, route, ref.line, Reason::dangling_reference,
           problem + ": its share of the requests is answered 500",
           "mend the backendRef, or give it weight 0");
  return backend;
}

config::RouteRule compile_rule(RouteUnit& unit, const model::Snapshot& snapshot,
                               const HttpRoute& route, size_t index) {
  const HttpRouteRule& from = route.rules[index];
  config::RouteRule rule;
  rule.name = route.meta.key.ns + "/" + route.meta.key.name + "#" +
              (from.name.empty() ? std::to_string(index) : from.name);
  rule.request_headers = from.request_headers;
  rule.response_headers = from.response_headers;
  rule.redirect = from.redirect;
  rule.rewrite = from.rewrite;
  rule.request_timeout = from.request_timeout;
  rule.backend_timeout = from.backend_timeout;
  for (const auto& ref : from.backends)
    rule.backends.push_back(compile_backend(unit, snapshot, route, ref));
  return rule;
}

// Smaller goes first. What ties here keeps the order of rules and matches (stable sort).
auto rank_of(const config::RequestMatch& match, const HttpRoute& route) {
  constexpr int64_t kUnknownAge = std::numeric_limits<int64_t>::max();
  const bool is_prefix = match.path_kind == PathMatch::kPrefix;
  const int kind = match.path_kind == PathMatch::kExact ? 0 : is_prefix ? 2 : 1;
  return std::make_tuple(
      kind, is_prefix ? -static_cast<int64_t>(match.path.size()) : 0, match.method.empty(),
      -static_cast<int64_t>(match.headers.size()), -static_cast<int64_t>(match.query.size()),
      route.meta.created.value_or(kUnknownAge), route.meta.key.ns, route.meta.key.name);
}

std::shared_ptr<const config::RouteSet> compile_set(RouteUnit& unit,
                                                    const model::Snapshot& snapshot,
                                                    const std::vector<const HttpRoute*>& routes) {
  struct Ranked {
    decltype(rank_of({}, {})) rank;
    config::RouteEntry entry;
  };
  auto set = std::make_shared<config::RouteSet>();
  std::vector<Ranked> ranked;
  for (const HttpRoute* route : routes)
    for (size_t i = 0; i < route->rules.size(); ++i) {
      const auto index = static_cast<uint32_t>(set->rules.size());
      set->rules.push_back(compile_rule(unit, snapshot, *route, i));
      for (const auto& match : route->rules[i].matches)
        ranked.push_back({rank_of(match, *route), {match, index}});
    }
  std::ranges::stable_sort(ranked, {}, &Ranked::rank);
  for (Ranked& one : ranked) set->entries.push_back(std::move(one.entry));
  return set;
}

}  // namespace

std::map<ServiceName, Routes> group_routes(const model::Snapshot& snapshot) {
  std::map<ServiceName, Routes> groups;
  for (const auto& [key, route] : snapshot.http_routes)
    for (const RouteParent& parent : route->parents) {
      Routes& routes = groups[{parent.ns, parent.name}];
      if (routes.empty() || routes.back() != route) routes.push_back(route);
    }
  return groups;
}

std::vector<std::shared_ptr<const void>> route_inputs(const model::Snapshot& snapshot,
                                                      const ServiceName& parent,
                                                      const Routes& routes) {
  std::vector<std::shared_ptr<const void>> inputs{
      find_service(snapshot, parent.first, parent.second)};
  for (const auto& route : routes) {
    inputs.push_back(route);
    for (const auto& rule : route->rules)
      for (const auto& ref : rule.backends)
        inputs.push_back(find_service(snapshot, ref.ns, ref.name));  // null: does not exist
  }
  return inputs;
}

RouteUnit compile_routes(const model::Snapshot& snapshot, const ServiceName& parent,
                         const Routes& routes) {
  RouteUnit unit;
  const auto service = find_service(snapshot, parent.first, parent.second);
  if (service == nullptr) {
    report_all(unit, parent, routes, Reason::dangling_reference,
               "there is no Service " + text_of(parent), "create it, or mend parentRefs");
    return unit;
  }
  if (const auto [problem, fix] = parent_problem(*service); !problem.empty()) {
    report_all(unit, parent, routes, Reason::unsupported_field,
               "Service " + text_of(parent) + " " + problem, fix);
    return unit;
  }
  // By port, then by client namespace; a producer's, "": every client.
  std::map<uint16_t, std::map<std::string, std::vector<const HttpRoute*>>> groups;
  for (const auto& route : routes) {
    const bool is_producer = route->meta.key.ns == parent.first;
    for (const uint16_t port : ports_of(unit, *route, *service))
      groups[port][is_producer ? "" : route->meta.key.ns].push_back(route.get());
  }
  std::map<std::vector<const HttpRoute*>, std::shared_ptr<const config::RouteSet>> sets;
  for (const auto& [port, by_client] : groups) {
    auto compiled = std::make_shared<config::ServiceRoutes>();
    for (const auto& [client, members] : by_client) {
      auto& set = sets[members];  // ports with the same routes share it
      if (set == nullptr) set = compile_set(unit, snapshot, members);
      (client.empty() ? compiled->producer : compiled->consumer[client]) = set;
    }
    unit.ports.emplace(port, std::move(compiled));
  }
  return unit;
}

}  // namespace keelson::compile
