#include "compile/compile.h"

#include <algorithm>
#include <set>

#include "compile/address_book.h"
#include "compile/identity_book.h"
#include "compile/name_table.h"
#include "compile/peer_authentication.h"
#include "compile/policy.h"
#include "compile/proxy_config.h"
#include "compile/route.h"
#include "compile/service_table.h"
#include "compile/workload.h"

namespace keelson::compile {

// What the last call made, with what it was made of: the snapshot keeps the objects alive, so that
// an address can never come to mean another object. Rows and proxy configuration are changed where
// the snapshot changed; a plan gets copies that share the rest (base/shared_map.h).
struct Compiler::Cache {
  struct CachedRoutes {
    std::vector<std::shared_ptr<const void>> inputs;
    RouteUnit unit;
  };
  using SharedSet = std::shared_ptr<const PolicySet>;

  explicit Cache(const NodeFacts& facts)
      : node_name(facts.node_name),
        trust_domain(facts.trust_domain),
        root_namespace(facts.root_namespace),
        identities(facts.trust_domain) {
    proxy.node_name = node_name;
    proxy.trust_domain = trust_domain;
  }
  // The same for all that it holds.
  bool is_of(const NodeFacts& facts) const {
    return facts.node_name == node_name && facts.trust_domain == trust_domain &&
           facts.root_namespace == root_namespace;
  }

  const std::string node_name, trust_domain, root_namespace;
  model::Snapshot snapshot;
  IdentityBook identities;
  ServiceTable services;
  AddressBook addresses;
  std::map<ServiceName, CachedRoutes> routes;  // by the parent's name
  std::map<Policies, SharedSet> policy_sets;
  std::map<uint64_t, SharedSet> sets_in_rows;  // by id
  std::vector<model::Finding> dangling;        // references of policies
  RowList local_rows;                          // of this node's pods, without addresses
  Rows rows;
  config::RuntimeConfig proxy;
  Work work;
};

namespace {

void append(std::vector<model::Finding>& to, std::vector<model::Finding> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

template <class Key>
void append_all(std::vector<model::Finding>& to,
                const std::map<Key, std::vector<model::Finding>>& from) {
  for (const auto& [key, findings] : from) to.insert(to.end(), findings.begin(), findings.end());
}

// Brings `rows` from one list of a section's rows to the next.
void replace_rows(Rows& rows, const RowList& before, const RowList& now) {
  std::set<RowKey> kept;
  for (const auto& [key, value] : now) kept.insert(key);
  for (const auto& [key, value] : before)
    if (!kept.contains(key)) rows.erase(key);
  for (const auto& [key, value] : now) rows.insert_or_assign(key, value);
}

// Returns the parents whose routes are others now.
std::set<ServiceName> compile_all_routes(Plan& plan, const model::Snapshot& snapshot, auto& cache) {
  std::set<ServiceName> rerouted;
  decltype(cache.routes) next;
  for (const auto& [parent, routes] : group_routes(snapshot)) {
    auto inputs = route_inputs(snapshot, parent, routes);
    auto old = cache.routes.extract(parent);
    if (!old.empty() && old.mapped().inputs == inputs) {
      cache.work.reused++;
      next.insert(next.end(), std::move(old));
    } else {
      cache.work.compiled++;
      rerouted.insert(parent);
      next.emplace_hint(next.end(), parent,
                        typename decltype(next)::mapped_type{
                            std::move(inputs), compile_routes(snapshot, parent, routes)});
    }
    append(plan.findings, next.at(parent).unit.findings);
    plan.route_verdicts.push_back(next.at(parent).unit.verdicts);
  }
  for (const auto& [parent, unit] : cache.routes) rerouted.insert(parent);  // those that went
  cache.routes = std::move(next);
  return rerouted;
}

// After compile_all_routes.
void compile_services(const model::Snapshot& snapshot, const std::set<ServiceName>& rerouted,
                      auto& cache) {
  const size_t compiled = cache.services.update(cache.snapshot, snapshot, rerouted,
                                                [&](const ServiceName& name) {
                                                  const auto routes = cache.routes.find(name);
                                                  return routes == cache.routes.end()
                                                             ? ServiceTable::RoutedPorts()
                                                             : routes->second.unit.ports;
                                                },
                                                {cache.rows, cache.proxy});
  cache.work.compiled += compiled;
  cache.work.reused += snapshot.services.size() - compiled;
}

// A set never changes under its id.
void replace_sets(auto& cache, const auto& next) {
  std::map<uint64_t, std::shared_ptr<const PolicySet>> now;
  for (const auto& [policies, set] : next)
    if (set->id != 0) now.emplace(set->id, set);
  for (const auto& [id, set] : cache.sets_in_rows) {
    if (now.contains(id)) continue;
    for (const auto& [key, value] : set->rows) cache.rows.erase(key);
    cache.proxy.policy_sets.erase(id);
  }
  for (const auto& [id, set] : now) {
    if (cache.sets_in_rows.contains(id)) continue;
    for (const auto& [key, value] : set->rows) cache.rows.emplace(key, value);
    cache.proxy.policy_sets.emplace(id, proxy_policy_set(*set));
  }
  cache.sets_in_rows = std::move(now);
}

// Compiles the set of each workload and notes its id there.
void compile_policies(Plan& plan, const model::Snapshot& snapshot, bool has_other_identities,
                      std::vector<Workload>& workloads, auto& cache) {
  if (has_other_identities) cache.policy_sets.clear();
  decltype(cache.policy_sets) next;
  for (auto& workload : workloads) {
    if (workload.facts->is_leaving) continue;
    Policies policies = policies_for(snapshot, cache.root_namespace, *workload.pod);
    auto at = next.find(policies);
    if (at == next.end()) {
      auto old = cache.policy_sets.extract(policies);
      if (!old.empty()) {
        cache.work.reused++;
        at = next.insert(std::move(old)).position;
      } else {
        cache.work.compiled++;
        auto set = std::make_shared<const PolicySet>(
            compile_policy_set(policies, cache.identities.known(), cache.trust_domain));
        at = next.emplace(std::move(policies), std::move(set)).first;
      }
      const PolicySet& set = *at->second;
      for (const auto& [id, name] : set.names)
        add_name(plan.names.policies, id, name, plan.findings);
      append(plan.findings, set.findings);
    }
    workload.policy_set = at->second->id;
  }
  replace_sets(cache, next);
  cache.policy_sets = std::move(next);
}

void compile_workloads(Plan& plan, const model::Snapshot& snapshot, const NodeFacts& facts,
                       std::vector<Workload>& workloads, auto& cache) {
  RowList rows;
  for (auto& workload : workloads) {
    if (!workload.facts->is_leaving)
      workload.plaintext = plaintext_mode(snapshot, facts.root_namespace, *workload.pod);
    for (auto& row : compile_workload(workload, facts.trust_domain, plan.findings))
      rows.push_back(std::move(row));
    const auto& key = workload.pod->meta.key;
    plan.names.pods.emplace(workload.facts->netns_cookie, key.ns + "/" + key.name);
  }
  for (auto& row : compile_host(facts)) rows.push_back(std::move(row));  // last: it wins
  replace_rows(cache.rows, cache.local_rows, rows);
  cache.local_rows = std::move(rows);
  cache.addresses.update(cache.snapshot, snapshot, facts, workloads, cache.identities,
                         {cache.rows, cache.proxy});
  cache.proxy.local_pods = proxy_local_pods(workloads, cache.rows);
}

void check_references(const model::Snapshot& snapshot, bool has_other_identities, auto& cache) {
  const bool is_same = !has_other_identities &&
                       snapshot.authorization_policies == cache.snapshot.authorization_policies &&
                       snapshot.service_accounts == cache.snapshot.service_accounts;
  if (!is_same)
    cache.dangling = dangling_references(snapshot, cache.identities.known(), cache.trust_domain);
}

}  // namespace

Compiler::Compiler() : cache_(std::make_unique<Cache>(NodeFacts{})) {}
Compiler::~Compiler() = default;
Compiler::Compiler(Compiler&&) noexcept = default;
Compiler& Compiler::operator=(Compiler&&) noexcept = default;

Compiler::Work Compiler::last_work() const noexcept {
  return cache_->work;
}

Plan Compiler::compile(const model::Snapshot& snapshot, const NodeFacts& facts) {
  if (!cache_->is_of(facts)) cache_ = std::make_unique<Cache>(facts);
  Cache& cache = *cache_;
  Plan plan;
  plan.generation = snapshot.generation;
  cache.work = {};
  const auto names_before = cache.identities.names();
  const bool has_other_identities = cache.identities.update(cache.snapshot, snapshot);
  update_identities(names_before, cache.identities.names(), cache.proxy);
  std::vector<Workload> workloads = local_workloads(snapshot, facts);
  compile_services(snapshot, compile_all_routes(plan, snapshot, cache), cache);
  compile_policies(plan, snapshot, has_other_identities, workloads, cache);
  compile_workloads(plan, snapshot, facts, workloads, cache);
  check_references(snapshot, has_other_identities, cache);
  cache.snapshot = snapshot;

  append(plan.findings, cache.identities.findings());
  append_all(plan.findings, cache.services.findings());
  append_all(plan.findings, cache.addresses.findings());
  append(plan.findings, cache.dangling);
  append(plan.findings, peer_authentication_findings(snapshot, facts.root_namespace));
  append(plan.findings, unsuitable_pods(snapshot, facts));
  std::sort(plan.findings.begin(), plan.findings.end());
  plan.findings.erase(std::unique(plan.findings.begin(), plan.findings.end()), plan.findings.end());
  plan.names.identities = cache.identities.names();
  plan.names.services = cache.services.names();
  plan.rows = cache.rows;
  cache.proxy.generation = plan.generation;
  plan.proxy = std::make_shared<const config::RuntimeConfig>(cache.proxy);
  return plan;
}

Plan compile(const model::Snapshot& snapshot, const NodeFacts& facts) {
  return Compiler().compile(snapshot, facts);
}

}  // namespace keelson::compile
