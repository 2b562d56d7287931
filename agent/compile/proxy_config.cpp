#include "compile/proxy_config.h"

#include <algorithm>
#include <map>

namespace keelson::compile {
namespace {

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

void add_row(const RowKey& key, const RowBytes& value, config::PolicySet& set) {
  switch (key.map) {
    case MapId::kSet:
      set.identity_class_default = value_of<ks_set>(value).identity_class_default;
      return;
    case MapId::kClassId:
      set.identities[value_of<ks_class_id_key>(key.key).identity] = value_of<uint32_t>(value);
      return;
    case MapId::kClassPort:
      set.ports[value_of<ks_class_port_key>(key.key).port] = value_of<uint32_t>(value);
      return;
    case MapId::kClassAddr: {
      const auto at = value_of<ks_class_addr_key>(key.key);
      const auto bits = static_cast<uint8_t>(at.prefix_bits - 64);
      set.addresses.emplace_back(IpPrefix{IpAddress(at.addr), bits}, value_of<uint32_t>(value));
      return;
    }
    case MapId::kPolicy: {
      const auto at = value_of<ks_policy_key>(key.key);
      set.rows[{at.identity_class, at.address_class, at.port_class}] = value_of<ks_policy>(value);
      return;
    }
    default:
      return;
  }
}

}  // namespace

decltype(config::RuntimeConfig::local_pods) proxy_local_pods(const std::vector<Workload>& workloads,
                                                             const Rows& rows) {
  decltype(config::RuntimeConfig::local_pods) pods;
  for (const Workload& workload : workloads) {
    const auto row = rows.find({MapId::kPod, bytes_of(workload.facts->netns_cookie)});
    if (row != rows.end())
      pods[workload.facts->uid] = make_local_pod(workload, value_of<ks_pod>(row->second));
  }
  return pods;
}

std::shared_ptr<const config::PolicySet> proxy_policy_set(const PolicySet& set) {
  auto made = std::make_shared<config::PolicySet>();
  for (const auto& [key, value] : set.rows) add_row(key, value, *made);
  // Longest first; among equals by address, as the rows are sorted.
  std::ranges::sort(made->addresses, [](const auto& a, const auto& b) {
    return a.first.length_bits != b.first.length_bits ? a.first.length_bits > b.first.length_bits
                                                      : a.first.address < b.first.address;
  });
  const std::map<uint64_t, std::string> names(set.names.begin(), set.names.end());
  for (const auto& [cell, row] : made->rows)
    if (const auto name = names.find(row.policy); name != names.end())
      made->policy_names.emplace(row.policy, name->second);
  return made;
}

void update_identities(const SharedMap<uint64_t, std::string>& before,
                       const SharedMap<uint64_t, std::string>& now, config::RuntimeConfig& to) {
  SharedMap<uint64_t, std::string>::differences(
      before, now, [&](uint64_t id, const std::string*, const std::string* name) {
        if (name == nullptr)
          to.identities.erase(id);
        else
          to.identities[id] =
              std::make_shared<const config::Identity>(config::Identity{*name, nullptr});
      });
}

}  // namespace keelson::compile
