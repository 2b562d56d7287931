#include "model/snapshot.h"

namespace keelson::model {

std::string_view kind_name(Kind kind) noexcept {
  switch (kind) {
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kNode:
      return "Node";
    case Kind::kPod:
      return "Pod";
    case Kind::kService:
      return "Service";
    case Kind::kEndpointSlice:
      return "EndpointSlice";
    case Kind::kServiceAccount:
      return "ServiceAccount";
    case Kind::kAuthorizationPolicy:
      return "AuthorizationPolicy";
    case Kind::kPeerAuthentication:
      return "PeerAuthentication";
    case Kind::kHttpRoute:
      return "HTTPRoute";
    case Kind::kReferenceGrant:
      return "ReferenceGrant";
    case Kind::kNodeState:
      return "NodeState";
  }
  return "unknown";
}

std::string ObjectKey::to_string() const {
  return std::string(kind_name(kind)) + " " + (ns.empty() ? name : ns + "/" + name);
}

std::optional<bool> mesh_setting(const Labels& labels) {
  const auto label = labels.find(std::string(kMeshLabel));
  if (label == labels.end()) return std::nullopt;
  if (label->second == "enabled") return true;
  if (label->second == "disabled") return false;
  return std::nullopt;
}

bool is_meshed(const Namespace& ns) {
  return mesh_setting(ns.meta.labels).value_or(false);
}

bool is_meshed(const Snapshot& snapshot, const Pod& pod) {
  if (const auto own = mesh_setting(pod.meta.labels)) return *own;
  const auto ns = snapshot.namespaces.find({Kind::kNamespace, "", pod.meta.key.ns});
  return ns != snapshot.namespaces.end() && is_meshed(*ns->second);
}

}  // namespace keelson::model
