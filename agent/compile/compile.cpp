#include "compile/compile.h"

#include <algorithm>

#include "compile/ids.h"
#include "compile/name_table.h"
#include "compile/peer_authentication.h"
#include "compile/policy.h"
#include "compile/proxy_config.h"
#include "compile/route.h"
#include "compile/service.h"
#include "compile/workload.h"

namespace keelson::compile {

// Units by the objects that went in. The shared pointers keep those objects alive, so an address in
// a key can never come to mean another object.
struct Compiler::Cache {
  struct CachedService {
    std::shared_ptr<const model::Service> service;
    Slices slices;
    ServiceUnit unit;
  };
  struct CachedRoutes {
    std::vector<std::shared_ptr<const void>> inputs;
    RouteUnit unit;
  };
  std::map<model::ObjectKey, CachedService> services;
  std::map<ServiceName, CachedRoutes> routes;  // by the parent's name
  std::map<Policies, PolicySet> policy_sets;
  // What every policy set also depends on.
  std::vector<std::string> known_principals;
  std::string trust_domain;
  Work work;
};

namespace {

using SlicesByService = std::map<std::pair<std::string, std::string>, Slices>;

SlicesByService group_slices(const model::Snapshot& snapshot) {
  SlicesByService groups;
  for (const auto& [key, slice] : snapshot.endpoint_slices)
    if (!slice->service_name.empty()) groups[{key.ns, slice->service_name}].push_back(slice);
  return groups;
}

void append(std::vector<model::Finding>& to, std::vector<model::Finding> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

void add_rows(Plan& plan, const RowList& rows) {
  for (const auto& [key, value] : rows) plan.rows.emplace(key, value);
}

using RoutedPorts = std::map<uint16_t, std::shared_ptr<const config::ServiceRoutes>>;

// The kernel captures what a route concerns, and nothing else.
std::string with_route_flag(const RowKey& key, const std::string& value,
                            const RoutedPorts& routed) {
  if (key.map != MapId::kService || !routed.contains(value_of<ks_service_key>(key.key).port))
    return value;
  auto row = value_of<ks_service>(value);
  row.flags |= KS_SERVICE_L7;
  return bytes_of(row);
}

// Two Services with one address and port: the first by key has it.
void add_service(Plan& plan, const model::Service& service, const ServiceUnit& unit,
                 const RoutedPorts& routed) {
  for (const uint64_t id : unit.ids)
    add_name(plan.names.services, id, service.meta.key.ns + "/" + service.meta.key.name,
             plan.findings);
  for (const auto& [key, unrouted] : unit.rows) {
    const std::string value = with_route_flag(key, unrouted, routed);
    const auto [at, added] = plan.rows.emplace(key, value);
    if (added || at->second == value || key.map != MapId::kService) continue;
    const auto taken = value_of<ks_service_key>(key.key);
    const Endpoint where{IpAddress(taken.addr), taken.port};
    const auto owner = plan.names.services.find(value_of<ks_service>(at->second).id);
    plan.findings.push_back({model::Severity::kWarning, Reason::address_conflict,
                             service.meta.where, service.meta.key.to_string(),
                             where.to_string() + " already belongs to Service " +
                                 (owner == plan.names.services.end() ? "" : owner->second),
                             "give one of the two another clusterIP or port"});
  }
  append(plan.findings, unit.findings);
}

void report_orphan_slices(Plan& plan, const model::Snapshot& snapshot) {
  for (const auto& [key, slice] : snapshot.endpoint_slices) {
    if (slice->service_name.empty()) continue;
    if (snapshot.services.contains({model::Kind::kService, key.ns, slice->service_name})) continue;
    plan.findings.push_back({model::Severity::kInfo, Reason::dangling_reference, slice->meta.where,
                             key.to_string(), "there is no Service " + slice->service_name, ""});
  }
}

void add_identity_names(Plan& plan, const std::vector<Peer>& known) {
  for (const auto& peer : known)
    add_name(plan.names.identities, identity_id(peer.principal), peer.principal, plan.findings);
}

void add_policy_set(Plan& plan, const PolicySet& set) {
  add_rows(plan, set.rows);
  for (const auto& [id, name] : set.names) add_name(plan.names.policies, id, name, plan.findings);
  append(plan.findings, set.findings);
}

std::vector<std::string> principals_of(const std::vector<Peer>& known) {
  std::vector<std::string> principals;
  for (const auto& peer : known) principals.push_back(peer.principal);
  return principals;
}

void compile_all_routes(Plan& plan, const model::Snapshot& snapshot, auto& cache) {
  decltype(cache.routes) next;
  for (const auto& [parent, routes] : group_routes(snapshot)) {
    auto inputs = route_inputs(snapshot, parent, routes);
    auto old = cache.routes.extract(parent);
    if (!old.empty() && old.mapped().inputs == inputs) {
      cache.work.reused++;
      next.insert(next.end(), std::move(old));
    } else {
      cache.work.compiled++;
      next.emplace_hint(next.end(), parent,
                        typename decltype(next)::mapped_type{
                            std::move(inputs), compile_routes(snapshot, parent, routes)});
    }
    append(plan.findings, next.at(parent).unit.findings);
    plan.route_verdicts.push_back(next.at(parent).unit.verdicts);
  }
  cache.routes = std::move(next);
}

// After compile_all_routes.
ProxyServices compile_services(Plan& plan, const model::Snapshot& snapshot, auto& cache) {
  ProxyServices proxy_services;
  const RoutedPorts no_routes;
  SlicesByService groups = group_slices(snapshot);
  decltype(cache.services) next;
  for (const auto& [key, service] : snapshot.services) {
    Slices& slices = groups[{key.ns, key.name}];
    auto old = cache.services.extract(key);
    if (!old.empty() && old.mapped().service == service && old.mapped().slices == slices) {
      cache.work.reused++;
      next.insert(next.end(), std::move(old));
    } else {
      cache.work.compiled++;
      ServiceUnit unit = compile_service(*service, slices);
      next.emplace_hint(next.end(), key,
                        typename decltype(next)::mapped_type{service, slices, std::move(unit)});
    }
    const auto routes = cache.routes.find(ServiceName{key.ns, key.name});
    const RoutedPorts& routed =
        routes == cache.routes.end() ? no_routes : routes->second.unit.ports;
    const ServiceUnit& unit = next.at(key).unit;
    add_service(plan, *service, unit, routed);
    for (const ServicePortUnit& port : unit.ports) {
      const auto found = routed.find(port.port);
      proxy_services.push_back(
          {key.ns, key.name, port, found == routed.end() ? nullptr : found->second});
    }
  }
  cache.services = std::move(next);
  return proxy_services;
}

// Compiles the set of each workload and notes its id there.
void compile_policies(Plan& plan, const model::Snapshot& snapshot, const NodeFacts& facts,
                      std::vector<Workload>& workloads, const std::vector<Peer>& known,
                      auto& cache) {
  auto principals = principals_of(known);
  if (principals != cache.known_principals || facts.trust_domain != cache.trust_domain) {
    cache.policy_sets.clear();
    cache.known_principals = std::move(principals);
    cache.trust_domain = facts.trust_domain;
  }
  decltype(cache.policy_sets) next;
  for (auto& workload : workloads) {
    Policies policies = policies_for(snapshot, facts.root_namespace, *workload.pod);
    auto at = next.find(policies);
    if (at == next.end()) {
      auto old = cache.policy_sets.extract(policies);
      if (!old.empty()) {
        cache.work.reused++;
        at = next.insert(std::move(old)).position;
      } else {
        cache.work.compiled++;
        PolicySet set = compile_policy_set(policies, known, facts.trust_domain);
        at = next.emplace(std::move(policies), std::move(set)).first;
      }
      add_policy_set(plan, at->second);
    }
    workload.policy_set = at->second.id;
  }
  cache.policy_sets = std::move(next);
}

void compile_workloads(Plan& plan, const model::Snapshot& snapshot, const NodeFacts& facts,
                       std::vector<Workload>& workloads) {
  for (auto& workload : workloads) {
    workload.plaintext = plaintext_mode(snapshot, facts.root_namespace, *workload.pod);
    add_rows(plan, compile_workload(workload, facts.trust_domain, plan.findings));
    const auto& key = workload.pod->meta.key;
    plan.names.pods.emplace(workload.facts->netns_cookie, key.ns + "/" + key.name);
  }
  add_rows(plan, compile_host(facts));
  add_rows(plan, compile_addresses(snapshot, facts, workloads, plan.findings));
}

}  // namespace

Compiler::Compiler() : cache_(std::make_unique<Cache>()) {}
Compiler::~Compiler() = default;
Compiler::Compiler(Compiler&&) noexcept = default;
Compiler& Compiler::operator=(Compiler&&) noexcept = default;

Compiler::Work Compiler::last_work() const noexcept {
  return cache_->work;
}

Plan Compiler::compile(const model::Snapshot& snapshot, const NodeFacts& facts) {
  Plan plan;
  plan.generation = snapshot.generation;
  cache_->work = {};
  const std::vector<Peer> known = known_identities(snapshot, facts.trust_domain);
  std::vector<Workload> workloads = local_workloads(snapshot, facts);
  add_identity_names(plan, known);
  compile_all_routes(plan, snapshot, *cache_);
  const ProxyServices services = compile_services(plan, snapshot, *cache_);
  compile_policies(plan, snapshot, facts, workloads, known, *cache_);
  compile_workloads(plan, snapshot, facts, workloads);

  report_orphan_slices(plan, snapshot);
  append(plan.findings, dangling_references(snapshot, known, facts.trust_domain));
  append(plan.findings, peer_authentication_findings(snapshot, facts.root_namespace));
  append(plan.findings, unsuitable_pods(snapshot, facts));
  std::sort(plan.findings.begin(), plan.findings.end());
  plan.findings.erase(std::unique(plan.findings.begin(), plan.findings.end()), plan.findings.end());
  plan.proxy = make_proxy_config(snapshot, facts, plan, services);
  return plan;
}

Plan compile(const model::Snapshot& snapshot, const NodeFacts& facts) {
  return Compiler().compile(snapshot, facts);
}

}  // namespace keelson::compile
