#include "proxylink/same_content.h"

#include <algorithm>
#include <tuple>

namespace keelson::proxylink {
namespace {

auto fields(const config::LocalPod& pod) {
  return std::tie(pod.uid, pod.ns, pod.name, pod.netns_cookie, pod.slot, pod.identity,
                  pod.addresses, pod.policy_set, pod.flags);
}

auto fields(const config::Workload& workload) {
  return std::tie(workload.name, workload.identity, workload.node, workload.ready);
}

auto fields(const config::Service& service) {
  return std::tie(service.ns, service.name, service.port, service.ids);
}

auto fields(const config::Identity& identity) {
  return std::tie(identity.name);
}

template <class T>
bool same(const T& a, const T& b) {
  return fields(a) == fields(b);
}

bool same(const std::shared_ptr<const config::RouteSet>& a,
          const std::shared_ptr<const config::RouteSet>& b) {
  return a == b || (a != nullptr && b != nullptr && *a == *b);
}

bool same(const std::shared_ptr<const config::ServiceRoutes>& a,
          const std::shared_ptr<const config::ServiceRoutes>& b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr) return false;
  const auto same_consumer = [](const auto& x, const auto& y) {
    return x.first == y.first && same(x.second, y.second);
  };
  return same(a->producer, b->producer) &&
         std::equal(a->consumer.begin(), a->consumer.end(), b->consumer.begin(), b->consumer.end(),
                    same_consumer);
}

bool same(const config::Service& a, const config::Service& b) {
  return fields(a) == fields(b) && same(a.routes, b.routes);
}

bool same(const config::EndpointSet& a, const config::EndpointSet& b) {
  return a == b;
}

bool same(const ks_policy& a, const ks_policy& b) {
  return a.policy == b.policy && a.verdict == b.verdict && a.deny_matched == b.deny_matched;
}

bool same(const config::PolicySet& a, const config::PolicySet& b) {
  const auto same_row = [](const auto& x, const auto& y) {
    return x.first == y.first && same(x.second, y.second);
  };
  return a.identity_class_default == b.identity_class_default && a.identities == b.identities &&
         a.ports == b.ports && a.addresses == b.addresses && a.policy_names == b.policy_names &&
         std::equal(a.rows.begin(), a.rows.end(), b.rows.begin(), b.rows.end(), same_row);
}

template <class Map>
bool same_shared(const Map& a, const Map& b) {
  return Map::equal(a, b, [](const auto& x, const auto& y) { return x == y || same(*x, *y); });
}

template <class Map>
bool same_map(const Map& a, const Map& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const auto& entry) {
           const auto other = b.find(entry.first);
           return other != b.end() &&
                  (other->second == entry.second || same(*entry.second, *other->second));
         });
}

}  // namespace

bool same_content(const config::RuntimeConfig& a, const config::RuntimeConfig& b) {
  return a.node_name == b.node_name && a.trust_domain == b.trust_domain &&
         same_map(a.local_pods, b.local_pods) && same_shared(a.workloads, b.workloads) &&
         same_shared(a.services, b.services) && same_shared(a.endpoints, b.endpoints) &&
         same_map(a.policy_sets, b.policy_sets) && same_shared(a.identities, b.identities);
}

}  // namespace keelson::proxylink
