#include "compile/proxy_config.h"

#include <algorithm>
#include <tuple>

#include "compile/ids.h"
#include "compile/workload.h"

namespace keelson::compile {
namespace {

using config::RuntimeConfig;

template <class Value, class Key>
std::optional<Value> find_row(const Rows& rows, MapId map, const Key& key) {
  const auto found = rows.find(RowKey{map, bytes_of(key)});
  if (found == rows.end()) return std::nullopt;
  return value_of<Value>(found->second);
}

// Calls use(key, value) for every row of `map`.
template <class Key, class Value, class Use>
void for_each_row(const Rows& rows, MapId map, Use use) {
  for (auto row = rows.lower_bound(RowKey{map, {}}); row != rows.end() && row->first.map == map;
       ++row)
    use(value_of<Key>(row->first.key), value_of<Value>(row->second));
}

std::shared_ptr<const config::LocalPod> make_local_pod(const Workload& workload,
                                                       const ks_pod& row) {
  auto pod = std::make_shared<config::LocalPod>();
  pod->uid = workload.facts->uid;
  pod->ns = workload.pod->meta.key.ns;
  pod->name = workload.pod->meta.key.name;
  pod->netns_cookie = workload.facts->netns_cookie;
  pod->slot = row.slot;
  pod->identity = row.identity;
  for (const IpAddress& address : workload.facts->addresses)
    if (!is_link_local(address)) pod->addresses.push_back(address);
  pod->policy_set = {row.policy_set[0], row.policy_set[1]};
  pod->flags = row.flags;
  return pod;
}

void add_local_pods(const model::Snapshot& snapshot, const NodeFacts& facts, const Rows& rows,
                    RuntimeConfig& config) {
  for (const Workload& workload : local_workloads(snapshot, facts)) {
    const auto row = find_row<ks_pod>(rows, MapId::kPod, workload.facts->netns_cookie);
    if (!row) continue;
    const auto pod = make_local_pod(workload, *row);
    config.local_pods[pod->uid] = pod;
    const auto entry = std::make_shared<const config::Workload>(
        config::Workload{pod->ns + "/" + pod->name, pod->identity, facts.node_name, true});
    for (const IpAddress& address : pod->addresses) {
      const auto owner = find_row<ks_address>(rows, MapId::kAddress, address.raw());
      if (owner && owner->pod == pod->netns_cookie && (owner->flags & KS_ADDRESS_LOCAL) != 0)
        config.workloads[address] = entry;
    }
  }
}

// The pod of another node that a row of ks_address may mean. Of several that claim one address with
// equal rows the same one as in compile_addresses: the first by node and uid.
void add_remote_workloads(const model::Snapshot& snapshot, const NodeFacts& facts, const Rows& rows,
                          RuntimeConfig& config) {
  std::map<IpAddress, std::tuple<std::string, std::string>> winners;
  for (const auto& [key, state] : snapshot.node_states) {
    if (key.name == facts.node_name) continue;
    for (const auto& pod : state->pods) {
      const bool ready = pod.state == model::PodState::kReady;
      const uint64_t identity =
          identity_id(identity_name(facts.trust_domain, pod.ns, pod.service_account));
      const auto entry = std::make_shared<const config::Workload>(
          config::Workload{pod.ns + "/" + pod.name, identity, key.name, ready});
      for (const IpAddress& address : pod.addresses) {
        const auto row = find_row<ks_address>(rows, MapId::kAddress, address.raw());
        if (!row || (row->flags & KS_ADDRESS_REMOTE) == 0 || row->identity != identity ||
            ((row->flags & KS_ADDRESS_READY) != 0) != ready)
          continue;
        const std::tuple<std::string, std::string> rank{key.name, pod.uid};
        const auto [winner, is_first] = winners.emplace(address, rank);
        if (!is_first && winner->second <= rank) continue;
        winner->second = rank;
        config.workloads[address] = entry;
      }
    }
  }
}

void add_services(const ProxyServices& services, RuntimeConfig& config) {
  for (const ProxyService& from : services) {
    const auto service = std::make_shared<const config::Service>(
        config::Service{from.ns, from.name, from.port.port, from.port.ids, from.routes});
    for (size_t family = 0; family < from.port.ids.size(); ++family) {
      const uint64_t id = from.port.ids[family];
      if (id == 0) continue;
      config.services.emplace(id, service);
      config.endpoints.emplace(id, from.port.endpoints[family]);
    }
  }
}

using PolicySets = std::map<uint64_t, std::shared_ptr<config::PolicySet>>;

void add_classes(const Rows& rows, PolicySets& sets) {
  const auto with_set = [&](uint64_t id, auto use) {
    if (const auto found = sets.find(id); found != sets.end()) use(*found->second);
  };
  for_each_row<ks_class_id_key, uint32_t>(rows, MapId::kClassId, [&](const auto& key, uint32_t to) {
    with_set(key.set, [&](auto& set) { set.identities[key.identity] = to; });
  });
  for_each_row<ks_class_port_key, uint32_t>(
      rows, MapId::kClassPort, [&](const auto& key, uint32_t to) {
        with_set(key.set, [&](auto& set) { set.ports[key.port] = to; });
      });
  for_each_row<ks_class_addr_key, uint32_t>(
      rows, MapId::kClassAddr, [&](const auto& key, uint32_t to) {
        const uint64_t id = uint64_t{key.set_high} << 32 | key.set_low;
        with_set(id, [&](auto& set) {
          const auto bits = static_cast<uint8_t>(key.prefix_bits - 64);
          set.addresses.emplace_back(IpPrefix{IpAddress(key.addr), bits}, to);
        });
      });
}

void add_policy_sets(const Plan& plan, RuntimeConfig& config) {
  PolicySets sets;
  for_each_row<uint64_t, ks_set>(plan.rows, MapId::kSet, [&](uint64_t id, const ks_set& head) {
    auto set = std::make_shared<config::PolicySet>();
    set->identity_class_default = head.identity_class_default;
    sets.emplace(id, std::move(set));
  });
  add_classes(plan.rows, sets);
  for_each_row<ks_policy_key, ks_policy>(
      plan.rows, MapId::kPolicy, [&](const ks_policy_key& key, const ks_policy& row) {
        const auto found = sets.find(key.set);
        if (found == sets.end()) return;
        config::PolicySet& set = *found->second;
        set.rows[{key.identity_class, key.address_class, key.port_class}] = row;
        if (const auto name = plan.names.policies.find(row.policy);
            name != plan.names.policies.end())
          set.policy_names[row.policy] = name->second;
      });
  for (auto& [id, set] : sets) {
    std::stable_sort(
        set->addresses.begin(), set->addresses.end(),
        [](const auto& a, const auto& b) { return a.first.length_bits > b.first.length_bits; });
    config.policy_sets.emplace(id, std::move(set));
  }
}

}  // namespace

std::shared_ptr<const RuntimeConfig> make_proxy_config(const model::Snapshot& snapshot,
                                                       const NodeFacts& facts, const Plan& plan,
                                                       const ProxyServices& services) {
  auto config = std::make_shared<RuntimeConfig>();
  config->generation = plan.generation;
  config->node_name = facts.node_name;
  config->trust_domain = facts.trust_domain;
  add_local_pods(snapshot, facts, plan.rows, *config);
  add_remote_workloads(snapshot, facts, plan.rows, *config);
  add_services(services, *config);
  add_policy_sets(plan, *config);
  for (const auto& [id, name] : plan.names.identities)
    config->identities[id] =
        std::make_shared<const config::Identity>(config::Identity{name, nullptr});
  return config;
}

}  // namespace keelson::compile
