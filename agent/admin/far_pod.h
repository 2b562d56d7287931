// far_pod: what this agent can know of a pod of another node. At the API server an agent follows
// the pods of its own node only; of others it has what their node's NodeState lists and what
// EndpointSlices name. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/mesh_view.h"

namespace keelson::admin {

// As an object in the form of those that are known whole. Known of it: node, addresses; service
// account and uid, if its node lists it; of its labels only those that the Services behind which it
// stands select by; `ready` as an EndpointSlice has it, else true.
struct FarPod {
  model::Pod pod;
  bool is_listed = false;  // in a NodeState
};

// Nothing: nobody names such a pod.
std::optional<FarPod> find_far_pod(const model::Snapshot& snapshot, std::string_view ns,
                                   std::string_view name);
std::optional<FarPod> find_far_pod(const model::Snapshot& snapshot, const IpAddress& address);

// AuthorizationPolicies of which only the pod's own node knows whether they select it, as
// "ns/name".
std::vector<std::string> undecided_policies(const MeshView& view, const model::Pod& far_pod);
// The same of PeerAuthentications; a selector counts in the pod's own namespace only.
std::vector<std::string> undecided_modes(const MeshView& view, const model::Pod& far_pod);

}  // namespace keelson::admin
