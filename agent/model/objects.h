// The typed objects that everything after the decoders works on, one struct per Kubernetes kind,
// with only the fields that Keelson honours. Decoders (model/decode_*.cpp) fill them from a
// document Value and report every other field. Immutable once stored; shared by pointer between
// snapshots. Equality is how the store sees that nothing changed. A list that matters when absent
// (policy rules) is optional: missing, null and empty differ. References: Kubernetes v1.30 core/v1
// and discovery.k8s.io/v1; Istio security.istio.io/v1; Gateway API gateway.networking.k8s.io/v1.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "config/routes.h"
#include "model/finding.h"

namespace keelson::model {

enum class Kind : uint8_t {
  kNamespace,
  kNode,
  kPod,
  kService,
  kEndpointSlice,
  kServiceAccount,
  kAuthorizationPolicy,
  kPeerAuthentication,
  kHttpRoute,
  kReferenceGrant,
  kNodeState,
};
std::string_view kind_name(Kind kind) noexcept;  // "AuthorizationPolicy"

struct ObjectKey {
  Kind kind = Kind::kNamespace;
  std::string ns;  // empty for cluster-scoped kinds
  std::string name;
  std::string to_string() const;  // "AuthorizationPolicy shop/pay-callers"
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

using Labels = std::map<std::string, std::string>;

struct ObjectMeta {
  ObjectKey key;
  std::string uid;
  std::optional<int64_t> created;  // metadata.creationTimestamp, seconds since 1970
  int64_t generation = 0;          // of kinds whose status we write; 0: not known
  Labels labels;
  Labels annotations;
  SourceRef where;
  friend bool operator==(const ObjectMeta&, const ObjectMeta&) = default;
};

inline constexpr std::string_view kMeshLabel = "keelson.dev/mesh";  // "enabled" | "disabled"
// Directory source only: path of the pod's network namespace.
inline constexpr std::string_view kNetnsAnnotation = "keelson.dev/netns";
// On the service account of an agent: leave the node for good. The value is the uid of the
// DaemonSet that is meant, so that one which is left over concerns no later installation.
inline constexpr std::string_view kUninstallAnnotation = "keelson.dev/uninstall";
// On the NodeState of a node whose agent did so; the same value.
inline constexpr std::string_view kRetiredAnnotation = "keelson.dev/retired";
// Comma-separated destination ports that outbound capture leaves alone.
inline constexpr std::string_view kExcludeOutboundPortsAnnotation =
    "keelson.dev/exclude-outbound-ports";

struct Namespace {
  ObjectMeta meta;
  friend bool operator==(const Namespace&, const Namespace&) = default;
};

struct Node {
  ObjectMeta meta;
  std::vector<IpAddress> addresses;  // status.addresses of type InternalIP
  friend bool operator==(const Node&, const Node&) = default;
};

struct ContainerPort {
  std::string name;
  uint16_t port = 0;
  bool is_tcp = true;
  friend bool operator==(const ContainerPort&, const ContainerPort&) = default;
};

struct Pod {
  ObjectMeta meta;
  std::string node_name;
  std::string service_account;  // "default" when unset
  bool host_network = false;
  bool terminal = false;  // phase Succeeded or Failed
  bool ready =
      false;  // condition Ready; a directory pod without conditions is ready when it has addresses
  bool deleting = false;             // metadata.deletionTimestamp is set
  std::vector<IpAddress> addresses;  // status.podIPs, else status.podIP
  std::vector<ContainerPort> ports;
  std::vector<uint16_t> probe_ports;  // of probes and lifecycle hooks, names resolved, sorted
  std::vector<uint16_t> excluded_outbound_ports;
  std::string netns_path;      // from kNetnsAnnotation
  std::string controller_uid;  // of its DaemonSet, ReplicaSet, ...; empty: it has none
  friend bool operator==(const Pod&, const Pod&) = default;
};

enum class AppProtocol : uint8_t { kTcp, kHttp1, kHttp2 };

struct ServicePort {
  std::string name;
  uint16_t port = 0;
  uint16_t target_port = 0;  // 0: named, see target_name
  std::string target_name;
  bool is_tcp = true;
  AppProtocol app_protocol = AppProtocol::kTcp;  // appProtocol, else the port name's prefix
  bool is_declared = false;                      // appProtocol is set
  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

struct Service {
  ObjectMeta meta;
  std::vector<IpAddress> cluster_ips;  // empty: headless or external name
  bool headless = false;
  bool external_name = false;
  bool session_affinity = false;  // ClientIP: not implemented yet, left to kube-proxy, reported
  bool internal_traffic_local = false;  // internalTrafficPolicy: Local
  bool publish_not_ready = false;
  Labels selector;
  std::vector<ServicePort> ports;
  friend bool operator==(const Service&, const Service&) = default;
};

struct SlicePort {
  std::string name;
  uint16_t port = 0;
  bool is_tcp = true;
  friend bool operator==(const SlicePort&, const SlicePort&) = default;
};

struct SliceEndpoint {
  std::vector<IpAddress> addresses;
  bool ready = true;    // conditions.ready, nil means true
  bool serving = true;  // conditions.serving, nil means as ready
  bool terminating = false;
  std::string node_name;
  std::string pod_name;  // targetRef of kind Pod
  friend bool operator==(const SliceEndpoint&, const SliceEndpoint&) = default;
};

struct EndpointSlice {
  ObjectMeta meta;
  std::string service_name;  // label kubernetes.io/service-name
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;
  friend bool operator==(const EndpointSlice&, const EndpointSlice&) = default;
};

struct ServiceAccount {
  ObjectMeta meta;
  friend bool operator==(const ServiceAccount&, const ServiceAccount&) = default;
};

// ---- policy ----------------------------------------------------------------------------------

using StringMatches = std::optional<std::vector<std::string>>;  // exact, "prefix*", "*suffix", "*"
using Prefixes = std::optional<std::vector<IpPrefix>>;
using Ports = std::optional<std::vector<uint16_t>>;

struct PolicySource {                        // all present members must match
  StringMatches principals, not_principals;  // "cluster.local/ns/shop/sa/web", no "spiffe://"
  StringMatches namespaces, not_namespaces;
  StringMatches service_accounts,
      not_service_accounts;  // "ns/name", or "name" in the policy's namespace
  Prefixes ip_blocks, not_ip_blocks;
  friend bool operator==(const PolicySource&, const PolicySource&) = default;
};

struct PolicyOperation {
  Ports ports, not_ports;
  friend bool operator==(const PolicyOperation&, const PolicyOperation&) = default;
};

struct PolicyRule {  // any source and any operation; a missing list matches everything
  std::optional<std::vector<PolicySource>> from;
  std::optional<std::vector<PolicyOperation>> to;
  friend bool operator==(const PolicyRule&, const PolicyRule&) = default;
};

enum class PolicyAction : uint8_t { kAllow, kDeny };

struct AuthorizationPolicy {
  ObjectMeta meta;
  PolicyAction action = PolicyAction::kAllow;
  std::optional<Labels> selector;  // spec.selector.matchLabels; missing: the whole namespace
  // Missing: ALLOW with no rules allows nothing; DENY with no rules denies nothing. Istio: an empty
  // rule ({}) matches everything.
  std::vector<PolicyRule> rules;
  // Never had a good version: denies everything that `selector` selects (nothing read: the
  // namespace).
  bool unreadable = false;
  friend bool operator==(const AuthorizationPolicy&, const AuthorizationPolicy&) = default;
};

enum class MtlsMode : uint8_t { kUnset, kPermissive, kStrict, kDisable };

struct PeerAuthentication {
  ObjectMeta meta;
  std::optional<Labels> selector;
  MtlsMode mode = MtlsMode::kUnset;
  std::map<uint16_t, MtlsMode> port_modes;  // only honoured with a selector, as in Istio
  friend bool operator==(const PeerAuthentication&, const PeerAuthentication&) = default;
};

// ---- routes ----------------------------------------------------------------------------------

struct RouteParent {  // a Service; other parents are not ours and not kept
  std::string ns, name;
  uint16_t port = 0;    // 0: every port
  std::string section;  // a port's name; empty: any
  uint32_t line = 0;
  friend bool operator==(const RouteParent&, const RouteParent&) = default;
};

struct RouteBackendRef {
  std::string kind = "Service";  // another one ("GROUP/KIND"): the backend is invalid
  std::string ns, name;
  uint16_t port = 0;
  uint32_t weight = 1;
  config::HeaderModifier request_headers, response_headers;
  uint32_t line = 0;
  friend bool operator==(const RouteBackendRef&, const RouteBackendRef&) = default;
};

struct HttpRouteRule {
  std::string name;                           // may be empty
  std::vector<config::RequestMatch> matches;  // any of them; never empty
  config::HeaderModifier request_headers, response_headers;
  std::optional<config::Redirect> redirect;
  std::optional<config::Rewrite> rewrite;
  std::vector<RouteBackendRef> backends;
  std::chrono::milliseconds request_timeout{0}, backend_timeout{0};  // 0: none
  friend bool operator==(const HttpRouteRule&, const HttpRouteRule&) = default;
};

struct HttpRoute {
  ObjectMeta meta;
  std::vector<RouteParent> parents;  // none: the route concerns no Service, and has no rules here
  std::vector<HttpRouteRule> rules;
  friend bool operator==(const HttpRoute&, const HttpRoute&) = default;
};

// Lets routes of other namespaces send requests to Services of its own. What it grants to other
// kinds, or of other kinds, is not kept.
struct ReferenceGrant {
  ObjectMeta meta;
  std::vector<std::string> route_namespaces;  // whose HTTPRoutes may name them as backends
  std::vector<std::string> services;          // by name; "": every one
  friend bool operator==(const ReferenceGrant&, const ReferenceGrant&) = default;
};

// ---- NodeState (keelson.dev/v1alpha1) ----------------------------------------------------------

enum class PodState : uint8_t { kJoining, kReady, kLeaving };

struct NodeStatePod {
  std::string uid, ns, name, service_account;
  std::vector<IpAddress> addresses;
  PodState state = PodState::kJoining;
  friend bool operator==(const NodeStatePod&, const NodeStatePod&) = default;
};

// Written only by the named node's own agent; read by all others.
struct NodeState {
  ObjectMeta meta;  // name: the node's
  std::vector<NodeStatePod> pods;
  std::string retired;  // from kRetiredAnnotation
  friend bool operator==(const NodeState&, const NodeState&) = default;
};

}  // namespace keelson::model
