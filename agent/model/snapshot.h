// Snapshot: every stored object at one generation, by kind. Two snapshots share what they have in
// common (base/shared_map.h), and the objects never change. Plain data, any thread.
// A snapshot only holds what serves: an object whose newest version is bad is here in its last good
// version (model/store.h decides that).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/shared_map.h"
#include "model/objects.h"

namespace keelson::model {

template <class T>
using ObjectMap = SharedMap<ObjectKey, std::shared_ptr<const T>>;

struct Snapshot {
  uint64_t generation = 0;  // grows by one with each accepted change; 0: nothing read yet
  ObjectMap<Namespace> namespaces;
  ObjectMap<Node> nodes;
  ObjectMap<Pod> pods;
  ObjectMap<Service> services;
  ObjectMap<EndpointSlice> endpoint_slices;
  ObjectMap<ServiceAccount> service_accounts;
  ObjectMap<AuthorizationPolicy> authorization_policies;
  ObjectMap<PeerAuthentication> peer_authentications;
  ObjectMap<HttpRoute> http_routes;
  ObjectMap<ReferenceGrant> reference_grants;
  ObjectMap<NodeState> node_states;
};

// What kMeshLabel says; nothing: it is not there, or its value means nothing.
std::optional<bool> mesh_setting(const Labels& labels);
bool is_meshed(const Namespace& ns);
// True when the pod is in the mesh by labels: its own kMeshLabel, else its namespace's.
bool is_meshed(const Snapshot& snapshot, const Pod& pod);

}  // namespace keelson::model
