#include "mesh_fixture.h"

#include <algorithm>

namespace keelson::compile {

using model::Kind;
using model::ObjectKey;

namespace {

// Puts `object` under its key and hands out the copy to be filled in. Objects in a snapshot are
// const for everybody else.
template <class T>
T& store(model::ObjectMap<T>& map, T object) {
  auto shared = std::make_shared<T>(std::move(object));
  T& reference = *shared;
  map[reference.meta.key] = shared;
  return reference;
}

}  // namespace

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
IpPrefix prefix(std::string_view text) {
  return IpPrefix::parse(text).value();
}

model::SliceEndpoint ready_endpoint(std::string_view address) {
  model::SliceEndpoint endpoint;
  endpoint.addresses = {ip(address)};
  return endpoint;
}

Mesh::Mesh() {
  facts.node_name = "node-a";
  facts.netns_cookie = 1;
}

model::Pod& Mesh::add_pod(const std::string& ns, const std::string& name,
                          const std::string& account, const std::vector<std::string>& addresses) {
  model::Pod pod;
  pod.meta.key = {Kind::kPod, ns, name};
  pod.meta.uid = ns + "-" + name;
  pod.node_name = facts.node_name;
  pod.service_account = account;
  const auto index = static_cast<uint32_t>(facts.pods.size());
  LocalPod local;
  local.uid = pod.meta.uid;
  local.netns_cookie = 100 + index;
  local.slot = index;
  local.host_ifindex = 10 + index;
  for (const auto& address : addresses) pod.addresses.push_back(ip(address));
  local.addresses = local.declared = pod.addresses;
  facts.pods.push_back(local);
  return store(snapshot.pods, std::move(pod));
}

void Mesh::add_remote_pod(const std::string& node, const std::string& ns, const std::string& name,
                          const std::string& account, const std::string& address,
                          model::PodState state) {
  const ObjectKey key{Kind::kNodeState, "", node};
  model::NodeState copy;
  if (const auto found = snapshot.node_states.find(key); found != snapshot.node_states.end())
    copy = *found->second;
  copy.meta.key = key;
  copy.pods.push_back({ns + "-" + name, ns, name, account, {ip(address)}, state});
  store(snapshot.node_states, std::move(copy));
}

model::Service& Mesh::add_service(const std::string& ns, const std::string& name,
                                  const std::vector<std::string>& cluster_ips) {
  model::Service service;
  service.meta.key = {Kind::kService, ns, name};
  for (const auto& address : cluster_ips) service.cluster_ips.push_back(ip(address));
  service.ports.push_back({"http", 80, 8080, "", true, model::AppProtocol::kTcp});
  return store(snapshot.services, std::move(service));
}

model::EndpointSlice& Mesh::add_slice(const std::string& ns, const std::string& service,
                                      const std::string& name) {
  model::EndpointSlice slice;
  slice.meta.key = {Kind::kEndpointSlice, ns, name};
  slice.service_name = service;
  slice.ports.push_back({"http", 8080, true});
  return store(snapshot.endpoint_slices, std::move(slice));
}

model::AuthorizationPolicy& Mesh::add_policy(const std::string& ns, const std::string& name,
                                             model::PolicyAction action) {
  model::AuthorizationPolicy policy;
  policy.meta.key = {Kind::kAuthorizationPolicy, ns, name};
  policy.action = action;
  return store(snapshot.authorization_policies, std::move(policy));
}

model::PeerAuthentication& Mesh::add_peer_authentication(const std::string& ns,
                                                         const std::string& name,
                                                         model::MtlsMode mode) {
  model::PeerAuthentication policy;
  policy.meta.key = {Kind::kPeerAuthentication, ns, name};
  policy.mode = mode;
  return store(snapshot.peer_authentications, std::move(policy));
}

// ---- random ----------------------------------------------------------------------------------

namespace {

using Texts = std::vector<std::string>;

const Texts kPrincipals = {"cluster.local/ns/shop/sa/web",
                           "cluster.local/ns/shop/sa/api",
                           "cluster.local/ns/evil/sa/mallory",
                           "cluster.local/ns/shop/sa/absent",
                           "cluster.local/ns/shop/*",
                           "*/sa/web",
                           "*",
                           "other.org/ns/shop/sa/web"};
const Texts kNamespaces = {"shop", "evil", "sh*", "*il", "*", "absent"};
const Texts kAccounts = {"web", "shop/api", "evil/mallory", "shop/absent", "root/web"};
const Texts kBlocks = {"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "0.0.0.0/0",
                       "fd00::/8",   "fd00::5",     "::/0",     "10.0.0.0/16"};
const std::vector<uint16_t> kPorts = {80, 443, 8080};

template <class T>
std::vector<T> some_of(std::mt19937& random, const std::vector<T>& pool) {
  std::vector<T> chosen;
  const auto count = 1 + random() % 2;
  for (size_t i = 0; i < count; i++) chosen.push_back(pool[random() % pool.size()]);
  return chosen;
}

template <class T, class Pool>
void maybe(std::mt19937& random, std::optional<std::vector<T>>& field, const Pool& pool,
           uint32_t one_in) {
  if (random() % one_in == 0) field = some_of(random, pool);
}

model::PolicySource random_source(std::mt19937& random) {
  static const std::vector<IpPrefix> blocks = [] {
    std::vector<IpPrefix> parsed;
    for (const auto& text : kBlocks) parsed.push_back(prefix(text));
    return parsed;
  }();
  model::PolicySource source;
  maybe(random, source.principals, kPrincipals, 3);
  maybe(random, source.not_principals, kPrincipals, 6);
  maybe(random, source.namespaces, kNamespaces, 5);
  maybe(random, source.not_namespaces, kNamespaces, 8);
  maybe(random, source.service_accounts, kAccounts, 5);
  maybe(random, source.not_service_accounts, kAccounts, 8);
  maybe(random, source.ip_blocks, blocks, 4);
  maybe(random, source.not_ip_blocks, blocks, 6);
  return source;
}

}  // namespace

model::AuthorizationPolicy RandomMesh::random_policy(std::mt19937& random, const std::string& ns,
                                                     const std::string& name) {
  model::AuthorizationPolicy policy;
  policy.meta.key = {Kind::kAuthorizationPolicy, ns, name};
  policy.action = random() % 2 == 0 ? model::PolicyAction::kAllow : model::PolicyAction::kDeny;
  policy.unreadable = random() % 40 == 0;
  if (random() % 3 == 0) policy.selector = model::Labels{{"app", random() % 2 ? "pay" : "web"}};
  const auto rules = random() % 4;
  for (size_t i = 0; i < rules; i++) {
    model::PolicyRule rule;
    if (random() % 4 != 0) {
      rule.from.emplace();
      for (size_t n = 1 + random() % 2; n > 0; n--) rule.from->push_back(random_source(random));
    }
    if (random() % 2 == 0) {
      rule.to.emplace();
      model::PolicyOperation operation;
      maybe(random, operation.ports, kPorts, 2);
      maybe(random, operation.not_ports, kPorts, 3);
      rule.to->push_back(std::move(operation));
    }
    policy.rules.push_back(std::move(rule));
  }
  return policy;
}

RandomMesh::RandomMesh(uint32_t seed) : random_(seed) {
  for (int i = 0; i < 6; i++) edit();
}

void RandomMesh::edit() {
  for (uint32_t n = 1 + pick(3); n > 0; n--) {
    switch (pick(5)) {
      case 0:
        edit_pod();
        break;
      case 1:
        edit_remote_pod();
        break;
      case 2:
        edit_service();
        break;
      case 3:
        edit_policy();
        break;
      default:
        edit_peer_authentication();
    }
  }
  mesh_.snapshot.generation++;
}

// Joins, leaves, or changes labels and probes. A pod keeps cookie, slot and addresses for life.
void RandomMesh::edit_pod() {
  const uint32_t index = pick(4);
  const std::string name = "pod-" + std::to_string(index);
  const std::string ns = index == 3 ? "evil" : "shop";
  const ObjectKey key{Kind::kPod, ns, name};
  auto& pods = mesh_.facts.pods;
  const auto enrolled = std::find_if(
      pods.begin(), pods.end(), [&](const auto& pod) { return pod.netns_cookie == 100 + index; });
  if (enrolled != pods.end() && pick(3) == 0) {
    pods.erase(enrolled);
    if (pick(2)) mesh_.snapshot.pods.erase(key);  // else it only leaves the mesh
    return;
  }
  model::Pod pod;
  pod.meta.key = key;
  pod.meta.uid = name;
  pod.meta.labels["app"] = pick(2) ? "pay" : "web";
  pod.node_name = mesh_.facts.node_name;
  pod.service_account = index == 0 ? "web" : index == 3 ? "mallory" : "api";
  pod.addresses = {ip("10.1.0." + std::to_string(index)), ip("fd00::" + std::to_string(index))};
  if (pick(2)) pod.probe_ports = {443};
  if (pick(4) == 0) pod.excluded_outbound_ports = {8080};
  if (enrolled == pods.end()) {
    LocalPod local;
    local.uid = name;
    local.netns_cookie = 100 + index;
    local.slot = index;
    local.host_ifindex = 10 + index;
    local.addresses = local.declared = pod.addresses;
    pods.push_back(local);
  } else {
    enrolled->is_leaving = pick(4) == 0;
  }
  store(mesh_.snapshot.pods, std::move(pod));
}

// Of two nodes, whose pods may claim the addresses of each other and of local ones, as while a
// pod's address passes on.
void RandomMesh::edit_remote_pod() {
  const uint32_t node = pick(2);
  const ObjectKey key{Kind::kNodeState, "", node == 0 ? "node-b" : "node-c"};
  if (pick(6) == 0) {
    mesh_.snapshot.node_states.erase(key);
    return;
  }
  model::NodeState state;
  state.meta.key = key;
  for (uint32_t index = 0; index < 3; index++) {
    const uint32_t how = pick(4);
    if (how == 3) continue;
    const std::string number = std::to_string(index + 3 * node);
    const bool is_contested = pick(3) == 0;
    state.pods.push_back({"r" + number,
                          index == 2 ? "evil" : "shop",
                          "remote-" + number,
                          index == 2 ? "mallory" : "web",
                          {ip((is_contested ? "10.1.0." : "10.2.0.") + std::to_string(pick(4)))},
                          static_cast<model::PodState>(how)});
  }
  store(mesh_.snapshot.node_states, std::move(state));
}

void RandomMesh::edit_service() {
  const uint32_t index = pick(3);
  const std::string name = "svc-" + std::to_string(index);
  if (pick(4) == 0) {
    mesh_.snapshot.services.erase({Kind::kService, "shop", name});
    return;
  }
  // Two of the three may claim one address.
  const std::string place = std::to_string(pick(2) ? index : pick(3));
  auto& service = mesh_.add_service("shop", name, {"10.96.0." + place, "fd96::" + place});
  service.session_affinity = pick(8) == 0;
  const std::string slice_name = name + "-slice";
  if (pick(6) == 0) {
    mesh_.snapshot.endpoint_slices.erase({Kind::kEndpointSlice, "shop", slice_name});
    return;
  }
  // Now and then a slice passes to another Service.
  auto& slice =
      mesh_.add_slice("shop", pick(5) ? name : "svc-" + std::to_string(pick(3)), slice_name);
  for (uint32_t n = pick(5); n > 0; n--) {
    model::SliceEndpoint endpoint;
    endpoint.addresses = {pick(2) ? ip("10.3.0." + std::to_string(pick(6)))
                                  : ip("fd03::" + std::to_string(pick(6)))};
    endpoint.ready = pick(3) != 0;
    endpoint.terminating = !endpoint.ready;
    slice.endpoints.push_back(std::move(endpoint));
  }
}

void RandomMesh::edit_policy() {
  const std::string ns = Texts{"shop", "evil", "keelson-system"}[pick(3)];
  const std::string name = "policy-" + std::to_string(pick(3));
  if (pick(3) == 0)
    mesh_.snapshot.authorization_policies.erase({Kind::kAuthorizationPolicy, ns, name});
  else
    store(mesh_.snapshot.authorization_policies, random_policy(random_, ns, name));
}

void RandomMesh::edit_peer_authentication() {
  const std::string ns = Texts{"shop", "evil", "keelson-system"}[pick(3)];
  const std::string name = "mode-" + std::to_string(pick(2));
  if (pick(3) == 0) {
    mesh_.snapshot.peer_authentications.erase({Kind::kPeerAuthentication, ns, name});
    return;
  }
  auto& policy = mesh_.add_peer_authentication(ns, name, static_cast<model::MtlsMode>(pick(4)));
  if (pick(2) == 0) return;
  policy.selector = model::Labels{{"app", "pay"}};
  for (const uint16_t port : kPorts)
    if (pick(2)) policy.port_modes[port] = static_cast<model::MtlsMode>(pick(4));
}

void RandomMesh::edit_routes() {
  if (pick(2))
    edit_route();
  else
    edit_grant();
  mesh_.snapshot.generation++;
}

// Of the Services' own namespace and of others, whose backends need a grant.
void RandomMesh::edit_route() {
  model::HttpRoute route;
  const std::string name = "route-" + std::to_string(pick(2));
  route.meta.key = {Kind::kHttpRoute, Texts{"shop", "evil", "web"}[pick(3)], name};
  if (pick(4) == 0) {
    mesh_.snapshot.http_routes.erase(route.meta.key);
    return;
  }
  for (uint32_t n = 1 + pick(2); n > 0; n--)
    route.parents.push_back({"shop", "svc-" + std::to_string(pick(3)), 0, "", 0});
  auto& rule = route.rules.emplace_back();
  rule.matches.emplace_back();
  for (uint32_t n = pick(3); n > 0; n--) {
    auto& backend = rule.backends.emplace_back();
    backend.ns = pick(4) ? "shop" : "evil";
    backend.name = "svc-" + std::to_string(pick(3));
    backend.port = 80;
  }
  store(mesh_.snapshot.http_routes, std::move(route));
}

void RandomMesh::edit_grant() {
  model::ReferenceGrant grant;
  const std::string name = "grant-" + std::to_string(pick(2));
  grant.meta.key = {Kind::kReferenceGrant, pick(3) ? "shop" : "evil", name};
  if (pick(3) == 0) {
    mesh_.snapshot.reference_grants.erase(grant.meta.key);
    return;
  }
  grant.route_namespaces = some_of(random_, Texts{"shop", "evil", "web"});
  grant.services = some_of(random_, Texts{"", "svc-0", "svc-1", "svc-2"});
  store(mesh_.snapshot.reference_grants, std::move(grant));
}

}  // namespace keelson::compile
