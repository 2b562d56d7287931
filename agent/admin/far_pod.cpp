#include "admin/far_pod.h"

#include <algorithm>

namespace keelson::admin {
namespace {

using model::Snapshot;

// What its Services select by, its labels have.
void add_from_slices(const Snapshot& snapshot, FarPod& far, bool& is_named) {
  for (const auto& [key, slice] : snapshot.endpoint_slices) {
    if (key.ns != far.pod.meta.key.ns) continue;
    for (const auto& endpoint : slice->endpoints) {
      if (endpoint.pod_name != far.pod.meta.key.name) continue;
      far.pod.ready = (is_named ? far.pod.ready : true) && endpoint.ready;
      is_named = true;
      if (far.pod.node_name.empty()) far.pod.node_name = endpoint.node_name;
      for (const IpAddress& address : endpoint.addresses)
        if (std::ranges::find(far.pod.addresses, address) == far.pod.addresses.end())
          far.pod.addresses.push_back(address);
      const auto service =
          snapshot.services.find({model::Kind::kService, key.ns, slice->service_name});
      if (service != snapshot.services.end())
        far.pod.meta.labels.insert(service->second->selector.begin(),
                                   service->second->selector.end());
    }
  }
}

// Of two of one name, as while a pod is replaced, the one that is further in the mesh.
const model::NodeStatePod* find_listed(const Snapshot& snapshot, std::string_view ns,
                                       std::string_view name, std::string& node) {
  const auto rank = [](const model::NodeStatePod& pod) {
    return pod.state == model::PodState::kReady     ? 2
           : pod.state == model::PodState::kJoining ? 1
                                                    : 0;
  };
  const model::NodeStatePod* best = nullptr;
  for (const auto& [key, state] : snapshot.node_states)
    for (const auto& pod : state->pods) {
      if (pod.ns != ns || pod.name != name || (best != nullptr && rank(pod) <= rank(*best)))
        continue;
      best = &pod;
      node = key.name;
    }
  return best;
}

enum class Selection : uint8_t { kYes, kNo, kUnknown };

Selection selection(const std::optional<model::Labels>& selector, const model::Labels& known) {
  Selection result = Selection::kYes;
  if (!selector) return result;
  for (const auto& [name, value] : *selector) {
    const auto label = known.find(name);
    if (label != known.end() && label->second != value) return Selection::kNo;
    if (label == known.end()) result = Selection::kUnknown;
  }
  return result;
}

template <class Policy>
std::vector<std::string> undecided(const model::ObjectMap<Policy>& policies,
                                   const std::vector<std::string>& namespaces,
                                   const model::Pod& pod) {
  std::vector<std::string> names;
  for (const auto& [key, policy] : policies)
    if (std::ranges::find(namespaces, key.ns) != namespaces.end() &&
        selection(policy->selector, pod.meta.labels) == Selection::kUnknown)
      names.push_back(key.ns + "/" + key.name);
  return names;
}

}  // namespace

std::optional<FarPod> find_far_pod(const Snapshot& snapshot, std::string_view ns,
                                   std::string_view name) {
  FarPod far;
  far.pod.meta.key = {model::Kind::kPod, std::string(ns), std::string(name)};
  far.pod.meta.uid = "far";
  far.pod.service_account = "default";
  far.pod.ready = true;
  const auto* listed = find_listed(snapshot, ns, name, far.pod.node_name);
  if (listed != nullptr) {
    far.is_listed = true;
    far.pod.meta.uid = listed->uid;
    far.pod.service_account = listed->service_account;
    far.pod.addresses = listed->addresses;
    // Its node has enrolled it, whatever its namespace's label says.
    far.pod.meta.labels[std::string(model::kMeshLabel)] = "enabled";
  }
  bool is_named = false;
  add_from_slices(snapshot, far, is_named);
  if (!far.is_listed && !is_named) return std::nullopt;
  return far;
}

std::optional<FarPod> find_far_pod(const Snapshot& snapshot, const IpAddress& address) {
  const auto has_it = [&](const std::vector<IpAddress>& addresses) {
    return std::ranges::find(addresses, address) != addresses.end();
  };
  for (const auto& [key, state] : snapshot.node_states)
    for (const auto& pod : state->pods)
      if (has_it(pod.addresses)) return find_far_pod(snapshot, pod.ns, pod.name);
  for (const auto& [key, slice] : snapshot.endpoint_slices)
    for (const auto& endpoint : slice->endpoints)
      if (!endpoint.pod_name.empty() && has_it(endpoint.addresses))
        return find_far_pod(snapshot, key.ns, endpoint.pod_name);
  return std::nullopt;
}

std::vector<std::string> undecided_policies(const MeshView& view, const model::Pod& far_pod) {
  return undecided(view.snapshot.authorization_policies,
                   {far_pod.meta.key.ns, view.facts.root_namespace}, far_pod);
}

std::vector<std::string> undecided_modes(const MeshView& view, const model::Pod& far_pod) {
  return undecided(view.snapshot.peer_authentications, {far_pod.meta.key.ns}, far_pod);
}

}  // namespace keelson::admin
