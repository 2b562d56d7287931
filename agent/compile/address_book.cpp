#include "compile/address_book.h"

#include <algorithm>
#include <tuple>

namespace keelson::compile {
namespace {

// Nobody owns these.
bool is_claimable(const IpAddress& address) {
  return !address.is_unspecified() && !address.is_loopback();
}

bool is_undeclared(const LocalPod& pod, const IpAddress& address) {
  return std::ranges::find(pod.declared, address) == pod.declared.end();
}

bool is_ready(const model::NodeStatePod& pod) {
  return pod.state == model::PodState::kReady;
}

void set_workload(const IpAddress& address, std::shared_ptr<const config::Workload> workload,
                  config::RuntimeConfig& proxy) {
  const auto now = proxy.workloads.find(address);
  if (workload == nullptr) {
    if (now != proxy.workloads.end()) proxy.workloads.erase(address);
    return;
  }
  const auto fields = [](const config::Workload& each) {
    return std::tie(each.name, each.identity, each.node, each.ready);
  };
  if (now != proxy.workloads.end() && fields(*now->second) == fields(*workload)) return;
  proxy.workloads[address] = std::move(workload);
}

}  // namespace

void AddressBook::update(const model::Snapshot& before, const model::Snapshot& now,
                         const NodeFacts& facts, const std::vector<Workload>& workloads,
                         const IdentityBook& identities, Target target) {
  Addresses touched;
  const auto each_change = [&](auto act) {
    model::ObjectMap<model::NodeState>::differences(
        before.node_states, now.node_states, [&](const auto& key, const auto* was, const auto* is) {
          if (key.name != facts.node_name) act(was, is);
        });
  };
  each_change([&](const auto* was, const auto*) {
    if (was != nullptr) leave(**was, touched);
  });
  each_change([&](const auto*, const auto* is) {
    if (is != nullptr) enter(**is, touched);
  });
  for (const auto& [address, claims] : locals_) touched.insert(address);
  locals_ = local_claims(now, facts, workloads, identities);
  for (const auto& [address, claims] : locals_) touched.insert(address);
  for (const IpAddress& address : touched) settle(address, facts, identities, target);
}

AddressBook::Locals AddressBook::local_claims(const model::Snapshot& now, const NodeFacts& facts,
                                              const std::vector<Workload>& workloads,
                                              const IdentityBook& identities) {
  Locals locals;
  const auto identity_of = [&](const model::Pod& pod) {
    return identities.id_of(pod.meta.key.ns, pod.service_account);
  };
  for (const Workload& workload : workloads) {
    const auto& key = workload.pod->meta.key;
    const ks_address row{workload.facts->netns_cookie, identity_of(*workload.pod), KS_ADDRESS_LOCAL,
                         0};
    const auto entry = std::make_shared<const config::Workload>(
        config::Workload{key.ns + "/" + key.name, row.identity, facts.node_name, true});
    for (const IpAddress& address : workload.facts->addresses)
      if (is_claimable(address))
        locals[address].push_back({is_undeclared(*workload.facts, address), false,
                                   workload.facts->uid, key.to_string(), row,
                                   is_link_local(address) ? nullptr : entry});
  }
  // An enrolled pod's claim on the same address comes first: it is the same pod, further on.
  for (const LocalPod& open : facts.open_pods) {
    const auto pod = std::find_if(now.pods.begin(), now.pods.end(), [&](const auto& each) {
      return each.second->meta.uid == open.uid;
    });
    const uint64_t identity = pod == now.pods.end() ? 0 : identity_of(*pod->second);
    const ks_address row{open.netns_cookie, identity, KS_ADDRESS_OPEN, 0};
    for (const IpAddress& address : open.addresses)
      if (is_claimable(address))
        locals[address].push_back({is_undeclared(open, address), true, open.uid,
                                   "Pod with uid " + open.uid, row, nullptr});
  }
  return locals;
}

void AddressBook::enter(const model::NodeState& state, Addresses& touched) {
  for (const model::NodeStatePod& pod : state.pods)
    for (const IpAddress& address : pod.addresses) {
      if (!is_claimable(address) || is_link_local(address)) continue;
      touched.insert(address);
      const auto [at, is_first] = remotes_.try_emplace(address, Remotes{{&state, &pod}, {}});
      if (!is_first) at->second.others.push_back({&state, &pod});
    }
}

void AddressBook::leave(const model::NodeState& state, Addresses& touched) {
  for (const model::NodeStatePod& pod : state.pods)
    for (const IpAddress& address : pod.addresses) {
      const auto at = remotes_.find(address);
      if (at == remotes_.end()) continue;
      touched.insert(address);
      auto& [first, others] = at->second;
      const Remote gone{&state, &pod};
      if (!(first == gone)) {
        std::erase(others, gone);
      } else if (!others.empty()) {
        first = others.back();
        others.pop_back();
      } else {
        remotes_.erase(at);
      }
    }
}

std::vector<AddressBook::Claim> AddressBook::claims_on(const IpAddress& address,
                                                       const NodeFacts& facts) const {
  std::vector<Claim> claims;
  if (const auto locals = locals_.find(address); locals != locals_.end())
    for (const Local& local : locals->second)
      claims.push_back(
          {local.is_undeclared, false, local.is_open, facts.node_name, local.uid, &local, {}});
  const auto add = [&](const Remote& remote) {
    claims.push_back({false, true, !is_ready(*remote.pod), remote.state->meta.key.name,
                      remote.pod->uid, nullptr, remote});
  };
  if (const auto remotes = remotes_.find(address); remotes != remotes_.end()) {
    add(remotes->second.first);
    for (const Remote& other : remotes->second.others) add(other);
  }
  std::ranges::stable_sort(claims, {}, [](const Claim& claim) {
    return std::tie(claim.is_undeclared, claim.is_remote, claim.is_not_ready, claim.node,
                    claim.uid);
  });
  return claims;
}

void AddressBook::settle(const IpAddress& address, const NodeFacts& facts,
                         const IdentityBook& identities, Target target) {
  const RowKey key{MapId::kAddress, bytes_of(address.raw())};
  const std::vector<Claim> claims = claims_on(address, facts);
  findings_.erase(address);
  if (claims.empty()) {
    target.rows.erase(key);
    return set_workload(address, nullptr, target.proxy);
  }
  const auto who = [](const Claim& claim) {
    if (claim.local != nullptr) return claim.local->who;
    const model::NodeStatePod& pod = *claim.remote.pod;
    return "Pod " + pod.ns + "/" + pod.name + " of node " + std::string(claim.node);
  };
  const Claim& owner = claims.front();
  for (size_t i = 1; i < claims.size(); ++i)
    findings_[address].push_back(
        {model::Severity::kWarning,
         Reason::address_conflict,
         {},
         who(claims[i]),
         "its address " + address.to_string() + " belongs to " + who(owner),
         ""});
  if (owner.local != nullptr) {
    target.rows.insert_or_assign(key, bytes_of(owner.local->row));
    return set_workload(address, owner.local->workload, target.proxy);
  }
  const model::NodeStatePod& pod = *owner.remote.pod;
  const uint64_t identity = identities.id_of(pod.ns, pod.service_account);
  const uint32_t flags = KS_ADDRESS_REMOTE | (owner.is_not_ready ? 0u : uint32_t{KS_ADDRESS_READY});
  target.rows.insert_or_assign(key, bytes_of(ks_address{0, identity, flags, 0}));
  set_workload(
      address,
      std::make_shared<const config::Workload>(config::Workload{
          pod.ns + "/" + pod.name, identity, std::string(owner.node), !owner.is_not_ready}),
      target.proxy);
}

}  // namespace keelson::compile
