#include "admin/mesh_view.h"

#include <netinet/in.h>

#include <algorithm>

namespace keelson::admin {
namespace {

using compile::MapId;

template <class Value, class Key>
std::optional<Value> row(const compile::Plan& plan, MapId map, const Key& key) {
  auto found = plan.rows.find({map, compile::bytes_of(key)});
  if (found == plan.rows.end() || found->second.size() != sizeof(Value)) return std::nullopt;
  return compile::value_of<Value>(found->second);
}

template <class T>
const T* find_object(const model::ObjectMap<T>& objects, model::Kind kind, std::string_view ns,
                     std::string_view name) {
  auto found = objects.find({kind, std::string(ns), std::string(name)});
  return found == objects.end() ? nullptr : found->second.get();
}

bool has_labels(const model::Labels& wanted, const model::Labels& labels) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    auto found = labels.find(label.first);
    return found != labels.end() && found->second == label.second;
  });
}

Membership from_enrolment(EnrolmentState state) noexcept {
  switch (state) {
    case EnrolmentState::kJoining:
      return Membership::kJoining;
    case EnrolmentState::kReady:
      return Membership::kReady;
    case EnrolmentState::kLeaving:
      return Membership::kLeaving;
    case EnrolmentState::kRefused:
      return Membership::kRefused;
  }
  return Membership::kPending;
}

Membership from_node_state(model::PodState state) noexcept {
  switch (state) {
    case model::PodState::kJoining:
      return Membership::kJoining;
    case model::PodState::kReady:
      return Membership::kReady;
    case model::PodState::kLeaving:
      return Membership::kLeaving;
  }
  return Membership::kPending;
}

bool is_same_pod(const model::NodeStatePod& listed, const model::Pod& pod) {
  if (!listed.uid.empty() && !pod.meta.uid.empty()) return listed.uid == pod.meta.uid;
  return listed.ns == pod.meta.key.ns && listed.name == pod.meta.key.name;
}

bool has_mode(const model::PeerAuthentication& policy) {
  return policy.mode != model::MtlsMode::kUnset || !policy.port_modes.empty();
}

}  // namespace

std::string_view membership_name(Membership membership) noexcept {
  switch (membership) {
    case Membership::kUnmeshed:
      return "unmeshed";
    case Membership::kPending:
      return "pending";
    case Membership::kJoining:
      return "joining";
    case Membership::kReady:
      return "ready";
    case Membership::kLeaving:
      return "leaving";
    case Membership::kRefused:
      return "refused";
  }
  return "unknown";
}

std::string pod_text(const model::Pod& pod) {
  return pod.meta.key.ns + "/" + pod.meta.key.name;
}

const model::Pod* MeshView::find_pod(std::string_view ns, std::string_view name) const {
  return find_object(snapshot.pods, model::Kind::kPod, ns, name);
}

const model::Pod* MeshView::find_pod(const IpAddress& address) const {
  for (const auto& [key, pod] : snapshot.pods) {
    if (pod->host_network || pod->terminal) continue;
    if (std::find(pod->addresses.begin(), pod->addresses.end(), address) != pod->addresses.end())
      return pod.get();
  }
  return nullptr;
}

const model::Service* MeshView::find_service(std::string_view ns, std::string_view name) const {
  return find_object(snapshot.services, model::Kind::kService, ns, name);
}

// What the node says comes before what the labels say: a pod whose label went is leaving for a
// while.
PodStanding MeshView::standing(const model::Pod& pod) const {
  const bool meshed = model::is_meshed(snapshot, pod);
  if (meshed && pod.host_network)
    return {Membership::kRefused, std::string(reason_name(Reason::host_network)),
            std::string(reason_text(Reason::host_network))};
  if (is_local(pod)) {
    for (const auto& enrolment : live.enrolments)
      if (enrolment.ns == pod.meta.key.ns && enrolment.name == pod.meta.key.name)
        return {from_enrolment(enrolment.state), std::string(reason_name(enrolment.reason)),
                enrolment.detail};
    if (meshed) return {Membership::kPending, {}, "enrolment has not begun"};
    return {};
  }
  for (const auto& [key, node] : snapshot.node_states)
    for (const auto& listed : node->pods)
      if (is_same_pod(listed, pod))
        return {from_node_state(listed.state), {}, "listed by node " + key.name};
  if (meshed) return {Membership::kPending, {}, "node " + pod.node_name + " does not list it"};
  return {};
}

std::string MeshView::identity(const model::Pod& pod) const {
  const std::string account = pod.service_account.empty() ? "default" : pod.service_account;
  return facts.trust_domain + "/ns/" + pod.meta.key.ns + "/sa/" + account;
}

const compile::LocalPod* MeshView::local_pod(const model::Pod& pod) const {
  for (const auto& candidate : facts.pods)
    if (candidate.uid == pod.meta.uid) return &candidate;
  return nullptr;
}

std::optional<ks_pod> MeshView::pod_row(const model::Pod& pod) const {
  const auto* enrolled = local_pod(pod);
  if (enrolled == nullptr) return std::nullopt;
  return row<ks_pod>(plan, MapId::kPod, enrolled->netns_cookie);
}

std::optional<ks_service> MeshView::service_row(const IpAddress& address, uint16_t port) const {
  return row<ks_service>(plan, MapId::kService,
                         ks_service_key{address.raw(), port, IPPROTO_TCP, 0});
}

std::optional<ks_address> MeshView::address_row(const IpAddress& address) const {
  return row<ks_address>(plan, MapId::kAddress, address.raw());
}

uint32_t MeshView::port_flags(const model::Pod& pod, uint16_t port) const {
  const auto* enrolled = local_pod(pod);
  if (enrolled == nullptr) return 0;
  auto found = row<ks_port>(plan, MapId::kPort, ks_port_key{enrolled->netns_cookie, port, 0, 0});
  return found ? found->flags : 0;
}

bool MeshView::is_strict(const model::Pod& pod, uint16_t port) const {
  if (const auto record = pod_row(pod)) {
    const uint32_t flags = port_flags(pod, port);
    if (flags & KS_PORT_STRICT) return true;
    if (flags & KS_PORT_PERMISSIVE) return false;
    return (record->flags & KS_POD_STRICT) != 0;
  }
  const auto* policy = peer_authentication(pod);
  if (policy == nullptr) return false;
  if (auto mode = policy->port_modes.find(port); policy->selector &&
                                                 mode != policy->port_modes.end() &&
                                                 mode->second != model::MtlsMode::kUnset)
    return mode->second == model::MtlsMode::kStrict;
  return policy->mode == model::MtlsMode::kStrict;
}

bool MeshView::is_implemented(const model::Service& service, const model::ServicePort& port) const {
  return !service.cluster_ips.empty() &&
         std::all_of(service.cluster_ips.begin(), service.cluster_ips.end(),
                     [&](const auto& address) { return service_row(address, port.port); });
}

std::string MeshView::left_alone_because(const model::Service& service) const {
  const std::string object = service.meta.key.to_string();
  for (const auto* findings : {&plan.findings, &live.findings})
    for (const auto& finding : *findings)
      if (finding.object == object) return finding.message;
  return {};
}

std::vector<EndpointView> MeshView::endpoints(const model::Service& service,
                                              const model::ServicePort& port) const {
  std::vector<EndpointView> all;
  for (const auto& [key, slice] : snapshot.endpoint_slices) {
    if (key.ns != service.meta.key.ns || slice->service_name != service.meta.key.name) continue;
    for (const auto& slice_port : slice->ports) {
      if (!slice_port.is_tcp || slice_port.name != port.name) continue;
      for (const auto& endpoint : slice->endpoints) {
        const auto* pod = endpoint.pod_name.empty() ? nullptr : find_pod(key.ns, endpoint.pod_name);
        const bool ready = (endpoint.ready || service.publish_not_ready) && !endpoint.terminating;
        for (const auto& address : endpoint.addresses)
          all.push_back({{address, slice_port.port},
                         ready,
                         pod != nullptr ? pod : find_pod(address),
                         endpoint.node_name});
      }
    }
  }
  return all;
}

bool MeshView::selects(const model::ObjectMeta& policy,
                       const std::optional<model::Labels>& selector, const model::Pod& pod) const {
  if (policy.key.ns != pod.meta.key.ns && policy.key.ns != facts.root_namespace) return false;
  return !selector || has_labels(*selector, pod.meta.labels);
}

const model::PeerAuthentication* MeshView::peer_authentication(const model::Pod& pod) const {
  const model::PeerAuthentication* best = nullptr;
  int best_rank = 0;
  for (const auto& [key, policy] : snapshot.peer_authentications) {
    if (!selects(policy->meta, policy->selector, pod) || !has_mode(*policy)) continue;
    const bool own = key.ns == pod.meta.key.ns;
    const bool workload = policy->selector && !policy->selector->empty();
    if (workload && !own) continue;  // a selector in the root namespace reaches only that namespace
    const int rank = workload ? 3 : own ? 2 : 1;
    if (rank > best_rank) {
      best = policy.get();
      best_rank = rank;
    }
  }
  return best;
}

}  // namespace keelson::admin
