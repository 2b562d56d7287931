#include "compile/route.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "compile/reference_grant.h"
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

std::string text_of(const ServiceName& name) {
  return name.first + "/" + name.second;
}

// ---- parents ---------------------------------------------------------------------------------

struct Problem {
  Reason reason = Reason::none;  // none: there is no problem
  std::string message, fix;
  explicit operator bool() const noexcept { return reason != Reason::none; }
};

// Why no route can be applied to the Service's clients.
Problem parent_problem(const ServiceName& name, const model::Service* service) {
  if (service == nullptr)
    return {Reason::dangling_reference, "there is no Service " + text_of(name),
            "create it, or mend parentRefs"};
  const std::string what = "Service " + text_of(name) + " ";
  if (service->external_name)
    return {Reason::unsupported_field, what + "is an ExternalName, which has no clients' address",
            ""};
  if (service->headless || service->cluster_ips.empty())
    return {Reason::unsupported_field,
            what + "is headless: clients dial its pods, which no route sees",
            "give it a clusterIP"};
  if (is_left_to_kube_proxy(*service))
    return {Reason::unsupported_field, what + "is left to kube-proxy, so no route is applied",
            "remove sessionAffinity and internalTrafficPolicy from it"};
  return {};
}

bool concerns(const RouteParent& parent, const model::ServicePort& port) {
  return port.is_tcp && (parent.port == 0 || parent.port == port.port) &&
         (parent.section.empty() || parent.section == port.name);
}

Problem no_port_problem(const RouteParent& parent) {
  const std::string wanted = (parent.port == 0 ? "" : " " + std::to_string(parent.port)) +
                             (parent.section.empty() ? "" : " called '" + parent.section + "'");
  return {Reason::dangling_reference,
          "Service " + parent.ns + "/" + parent.name + " has no TCP port" + wanted,
          "name one of its ports, or leave port and sectionName out"};
}

// The routes are applied; the port's own word differs.
Problem protocol_problem(const model::Service& service, const model::ServicePort& port) {
  const std::string where = "port " + std::to_string(port.port) + " of Service " +
                            service.meta.key.ns + "/" + service.meta.key.name;
  if (port.app_protocol == model::AppProtocol::kHttp2)
    return {Reason::unsupported_field,
            where + " speaks HTTP/2 by its name or appProtocol; routes read HTTP/1.1 only",
            "have its clients speak HTTP/1.1, or remove the route"};
  if (port.is_declared && port.app_protocol == model::AppProtocol::kTcp)
    return {Reason::bad_value,
            where + " has an appProtocol that is not HTTP; the route makes it HTTP",
            "set appProtocol: http on the port, or remove the route"};
  return {};
}

void report(RouteUnit& unit, const HttpRoute& route, uint32_t line, const Problem& problem) {
  model::SourceRef where = route.meta.where;
  if (line != 0) where.line = line;
  unit.findings.push_back({Severity::kWarning, problem.reason, where, route.meta.key.to_string(),
                           problem.message, problem.fix});
}

void add_message(RouteCondition& condition, const Problem& problem) {
  if (!condition.message.empty()) condition.message += "; ";
  condition.message += problem.message;
  if (!problem.fix.empty()) condition.message += " (" + problem.fix + ")";
}

// Every parent that a route names in vain is "NoMatchingParent", as other meshes have it.
void refuse(RouteUnit& unit, RouteVerdict& verdict, const Problem& problem) {
  verdict.accepted = {false, "NoMatchingParent", ""};
  add_message(verdict.accepted, problem);
  report(unit, *verdict.route, verdict.route->parents[verdict.parent].line, problem);
}

// The Service's ports that the verdict's parentRef concerns. `judged`: those that another parentRef
// of the route has found before.
std::set<uint16_t> ports_of(RouteUnit& unit, RouteVerdict& verdict, const model::Service& service,
                            const std::set<uint16_t>& judged) {
  const RouteParent& parent = verdict.route->parents[verdict.parent];
  std::set<uint16_t> ports;
  for (const auto& port : service.ports) {
    if (!concerns(parent, port) || !ports.insert(port.port).second) continue;
    const Problem problem = protocol_problem(service, port);
    if (!problem) continue;
    add_message(verdict.accepted, problem);
    if (!judged.contains(port.port)) report(unit, *verdict.route, parent.line, problem);
  }
  if (ports.empty()) refuse(unit, verdict, no_port_problem(parent));
  return ports;
}

// ---- rules -----------------------------------------------------------------------------------

struct BackendProblem {
  std::string reason;  // of the condition ResolvedRefs; empty: there is no problem
  std::string message;
  Reason code = Reason::dangling_reference;
  std::string fix = "mend the backendRef, or give it weight 0";
};

bool needs_grant(const ServiceName& parent, const HttpRoute& route,
                 const model::RouteBackendRef& ref) {
  return ref.kind == "Service" && ref.ns != route.meta.key.ns &&
         ServiceName(ref.ns, ref.name) != parent;
}

std::shared_ptr<const model::ReferenceGrant> grant_for(const model::Snapshot& snapshot,
                                                       const HttpRoute& route,
                                                       const model::RouteBackendRef& ref) {
  return find_grant(snapshot, route.meta.key.ns, ref.ns, ref.name);
}

// Why requests cannot be sent there. Readiness of endpoints is the proxy's matter. Without a grant
// nothing is said of what the other namespace has.
BackendProblem backend_problem(const model::Snapshot& snapshot, const ServiceName& parent,
                               const HttpRoute& route, const model::RouteBackendRef& ref) {
  if (ref.kind != "Service") return {"InvalidKind", "kind " + ref.kind + " cannot be a backend"};
  const std::string name = "Service " + ref.ns + "/" + ref.name;
  if (needs_grant(parent, route, ref) && grant_for(snapshot, route, ref) == nullptr)
    return {"RefNotPermitted",
            "no ReferenceGrant in namespace " + ref.ns + " lets HTTPRoutes of namespace " +
                route.meta.key.ns + " use " + name,
            Reason::reference_not_permitted,
            "have one made there: from HTTPRoute of namespace " + route.meta.key.ns +
                ", to Service " + ref.name};
  const auto service = find_service(snapshot, ref.ns, ref.name);
  if (service == nullptr) return {"BackendNotFound", "there is no " + name};
  if (service->external_name)
    return {"BackendNotFound", name + " is an ExternalName, which has no endpoints"};
  if (find_port(*service, ref.port) == nullptr)
    return {"BackendNotFound", name + " has no TCP port " + std::to_string(ref.port)};
  return {};
}

// An invalid backend keeps its weight: its share of the requests is answered 500.
config::RouteBackend compile_backend(RouteUnit& unit, const model::Snapshot& snapshot,
                                     const ServiceName& parent, const HttpRoute& route,
                                     const model::RouteBackendRef& ref) {
  config::RouteBackend backend;
  backend.weight = ref.weight;
  backend.name = ref.ns + "/" + ref.name + ":" + std::to_string(ref.port);
  backend.request_headers = ref.request_headers;
  backend.response_headers = ref.response_headers;
  const BackendProblem problem = backend_problem(snapshot, parent, route, ref);
  backend.is_valid = problem.reason.empty();
  if (backend.is_valid)
    backend.service = service_ids(*find_service(snapshot, ref.ns, ref.name), ref.port);
  else
    report(unit, route, ref.line,
           {problem.code, problem.message + ": its share of the requests is answered 500",
            problem.fix});
  return backend;
}

// The first problem gives the reason, all of them the message.
RouteCondition resolve_references(const model::Snapshot& snapshot, const ServiceName& parent,
                                  const HttpRoute& route) {
  RouteCondition resolved{true, "ResolvedRefs", ""};
  std::set<std::string> said;
  for (const HttpRouteRule& rule : route.rules)
    for (const auto& ref : rule.backends) {
      const BackendProblem problem = backend_problem(snapshot, parent, route, ref);
      if (problem.reason.empty() || !said.insert(problem.message).second) continue;
      if (std::exchange(resolved.is_true, false)) resolved.reason = problem.reason;
      if (!resolved.message.empty()) resolved.message += "; ";
      resolved.message += problem.message;
    }
  return resolved;
}

config::RouteRule compile_rule(RouteUnit& unit, const model::Snapshot& snapshot,
                               const ServiceName& parent, const HttpRoute& route, size_t index) {
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
    rule.backends.push_back(compile_backend(unit, snapshot, parent, route, ref));
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
                                                    const ServiceName& parent,
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
      set->rules.push_back(compile_rule(unit, snapshot, parent, *route, i));
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
      for (const auto& ref : rule.backends) {
        inputs.push_back(find_service(snapshot, ref.ns, ref.name));  // null: does not exist
        if (needs_grant(parent, *route, ref)) inputs.push_back(grant_for(snapshot, *route, ref));
      }
  }
  return inputs;
}

RouteUnit compile_routes(const model::Snapshot& snapshot, const ServiceName& parent,
                         const Routes& routes) {
  RouteUnit unit;
  const auto service = find_service(snapshot, parent.first, parent.second);
  const Problem problem = parent_problem(parent, service.get());
  auto verdicts = std::make_shared<RouteVerdicts>();
  // By port, then by client namespace; a producer's, "": every client.
  std::map<uint16_t, std::map<std::string, std::vector<const HttpRoute*>>> groups;
  for (const auto& route : routes) {
    const RouteCondition resolved = resolve_references(snapshot, parent, *route);
    std::set<uint16_t> ports;
    for (size_t i = 0; i < route->parents.size(); ++i) {
      if (route->parents[i].ns != parent.first || route->parents[i].name != parent.second) continue;
      RouteVerdict& verdict = verdicts->emplace_back();
      verdict.route = route;
      verdict.parent = i;
      verdict.resolved = resolved;
      if (problem)
        refuse(unit, verdict, problem);
      else
        ports.merge(ports_of(unit, verdict, *service, ports));
    }
    const bool is_producer = route->meta.key.ns == parent.first;
    for (const uint16_t port : ports)
      groups[port][is_producer ? "" : route->meta.key.ns].push_back(route.get());
  }
  unit.verdicts = std::move(verdicts);
  std::map<std::vector<const HttpRoute*>, std::shared_ptr<const config::RouteSet>> sets;
  for (const auto& [port, by_client] : groups) {
    auto compiled = std::make_shared<config::ServiceRoutes>();
    for (const auto& [client, members] : by_client) {
      auto& set = sets[members];  // ports with the same routes share it
      if (set == nullptr) set = compile_set(unit, snapshot, parent, members);
      (client.empty() ? compiled->producer : compiled->consumer[client]) = set;
    }
    unit.ports.emplace(port, std::move(compiled));
  }
  return unit;
}

}  // namespace keelson::compile
