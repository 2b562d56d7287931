// MeshView: one consistent look at what the agent knows, with the questions that views and why ask
// about it. Kernel facts (is this port a Service, is this pod strict) are read from the plan's
// rows, because those are what the kernel decides by. Pure; refers to its inputs, owns nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/admin_state.h"

namespace keelson::admin {

// How the mesh sees a pod. kUnmeshed: not asked for, or can never be (host network).
enum class Membership : uint8_t { kUnmeshed, kPending, kJoining, kReady, kLeaving, kRefused };
std::string_view membership_name(Membership membership) noexcept;  // "ready"

struct PodStanding {
  Membership membership = Membership::kUnmeshed;
  std::string reason;  // reason.def name; empty where the membership says it all
  std::string detail;
};

struct EndpointView {
  Endpoint address;
  bool ready = false;
  const model::Pod* pod = nullptr;  // null: not a pod we know
  std::string node;
};

struct MeshView {
  const model::Snapshot& snapshot;
  const compile::Plan& plan;
  const compile::NodeFacts& facts;
  const LiveState& live;

  const model::Pod* find_pod(std::string_view ns, std::string_view name) const;
  const model::Pod* find_pod(const IpAddress& address) const;
  const model::Service* find_service(std::string_view ns, std::string_view name) const;
  bool is_local(const model::Pod& pod) const { return pod.node_name == facts.node_name; }
  PodStanding standing(const model::Pod& pod) const;
  std::string identity(const model::Pod& pod) const;  // "cluster.local/ns/shop/sa/web"

  const compile::LocalPod* local_pod(const model::Pod& pod) const;
  std::optional<ks_pod> pod_row(const model::Pod& pod) const;
  std::optional<ks_service> service_row(const IpAddress& address, uint16_t port) const;
  std::optional<ks_address> address_row(const IpAddress& address) const;
  // Flags of ks_port_flag for one port of a local pod.
  uint32_t port_flags(const model::Pod& pod, uint16_t port) const;
  bool is_strict(const model::Pod& pod, uint16_t port) const;  // local pods; else by objects

  // True when each address of the port is in the plan: the kernel picks the endpoint.
  bool is_implemented(const model::Service& service, const model::ServicePort& port) const;
  // Why not, from the findings about the Service; empty when nothing was found.
  std::string left_alone_because(const model::Service& service) const;
  std::vector<EndpointView> endpoints(const model::Service& service,
                                      const model::ServicePort& port) const;

  bool selects(const model::ObjectMeta& policy, const std::optional<model::Labels>& selector,
               const model::Pod& pod) const;
  // The PeerAuthentication whose mode holds for the pod, as Istio ranks them: workload, namespace,
  // root namespace. Null: none, the mode is PERMISSIVE.
  const model::PeerAuthentication* peer_authentication(const model::Pod& pod) const;
};

std::string pod_text(const model::Pod& pod);  // "shop/web-1"

}  // namespace keelson::admin
