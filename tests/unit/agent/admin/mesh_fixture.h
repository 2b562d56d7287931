// MeshFixture: two nodes as seen from n1, with the rows that the real compiler makes of them:
// shop/web-1 and shop/pay-1 on n1, shop/pay-2 on n2, out/raw-1 on n1 outside the mesh, Service
// shop/pay 10.96.0.1:80 -> 8080. Tests change the objects and call look().
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "admin/mesh_view.h"
#include "compile/compile.h"

namespace keelson::admin {

inline IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

class MeshFixture {
 public:
  MeshFixture() {
    add_namespace("shop", true);
    add_namespace("out", false);
    web = add_pod("shop", "web-1", "n1", "10.1.0.2", "web");
    pay = add_pod("shop", "pay-1", "n1", "10.1.0.3", "pay");
    far = add_pod("shop", "pay-2", "n2", "10.2.0.3", "pay");
    raw = add_pod("out", "raw-1", "n1", "10.1.0.9", "raw");
    add_service();
    add_slice({"pay-1"});
    set_far_state(model::PodState::kReady);
    facts.node_name = "n1";
    facts.netns_cookie = 1;
    enrol(*web, 101, 0);
    enrol(*pay, 102, 1);
    live.version = "0.1.0";
    live.pid = 42;
    live.uptime = std::chrono::seconds(90);
    live.hold_connected = true;
    snapshot.generation = 7;
    live.rollout.applied_generation = 7;
  }

  // Compiles what is there now.
  const MeshView& look() {
    plan = compile::compile(snapshot, facts);
    view = std::make_unique<MeshView>(MeshView{snapshot, plan, facts, live});
    return *view;
  }

  void add_namespace(const std::string& name, bool meshed) {
    auto object = std::make_shared<model::Namespace>();
    object->meta.key = {model::Kind::kNamespace, "", name};
    if (meshed) object->meta.labels[std::string(model::kMeshLabel)] = "enabled";
    snapshot.namespaces[object->meta.key] = object;
  }

  std::shared_ptr<model::Pod> add_pod(const std::string& ns, const std::string& name,
                                      const std::string& node, const std::string& address,
                                      const std::string& account) {
    auto pod = std::make_shared<model::Pod>();
    pod->meta.key = {model::Kind::kPod, ns, name};
    pod->meta.uid = "uid-" + name;
    pod->meta.labels["app"] = account;
    pod->node_name = node;
    pod->service_account = account;
    pod->ready = true;
    pod->addresses = {ip(address)};
    pod->ports = {{"http", 8080, true}};
    snapshot.pods[pod->meta.key] = pod;
    return pod;
  }

  void add_service() {
    service = std::make_shared<model::Service>();
    service->meta.key = {model::Kind::kService, "shop", "pay"};
    service->cluster_ips = {ip("10.96.0.1")};
    service->selector["app"] = "pay";
    model::ServicePort port;
    port.name = "http";
    port.port = 80;
    port.target_port = 8080;
    service->ports = {port};
    snapshot.services[service->meta.key] = service;
  }

  void add_slice(const std::vector<std::string>& pods, bool ready = true) {
    auto slice = std::make_shared<model::EndpointSlice>();
    slice->meta.key = {model::Kind::kEndpointSlice, "shop", "pay-slice"};
    slice->service_name = "pay";
    slice->ports = {{"http", 8080, true}};
    for (const auto& name : pods) {
      const auto& pod = snapshot.pods.at({model::Kind::kPod, "shop", name});
      model::SliceEndpoint endpoint;
      endpoint.addresses = pod->addresses;
      endpoint.ready = endpoint.serving = ready;
      endpoint.node_name = pod->node_name;
      endpoint.pod_name = name;
      slice->endpoints.push_back(endpoint);
    }
    snapshot.endpoint_slices[slice->meta.key] = slice;
  }

  void set_far_state(model::PodState state) {
    auto node = std::make_shared<model::NodeState>();
    node->meta.key = {model::Kind::kNodeState, "", "n2"};
    node->pods = {{"uid-pay-2", "shop", "pay-2", "pay", {ip("10.2.0.3")}, state}};
    snapshot.node_states[node->meta.key] = node;
  }

  void enrol(const model::Pod& pod, uint64_t cookie, uint32_t slot) {
    compile::LocalPod local;
    local.uid = pod.meta.uid;
    local.netns_cookie = cookie;
    local.slot = slot;
    local.addresses = pod.addresses;
    facts.pods.push_back(local);
    live.enrolments.push_back({pod.meta.key.ns, pod.meta.key.name, pod.meta.uid,
                               EnrolmentState::kReady, Reason::enrolled, ""});
  }

  // An ALLOW for one principal, or a DENY of it, on app=pay.
  void add_policy(const std::string& name, model::PolicyAction action, const std::string& who) {
    auto policy = std::make_shared<model::AuthorizationPolicy>();
    policy->meta.key = {model::Kind::kAuthorizationPolicy, "shop", name};
    policy->meta.where = {"policies.yaml", 12};
    policy->action = action;
    policy->selector = model::Labels{{"app", "pay"}};
    model::PolicySource source;
    source.principals = std::vector<std::string>{who};
    model::PolicyRule rule;
    rule.from = std::vector<model::PolicySource>{source};
    policy->rules = {rule};
    snapshot.authorization_policies[policy->meta.key] = policy;
  }

  // HTTPRoute shop/pay-route on Service shop/pay: all to `backend`, a Service of shop, on port 80.
  void add_route(const std::string& backend) {
    auto route = std::make_shared<model::HttpRoute>();
    route->meta.key = {model::Kind::kHttpRoute, "shop", "pay-route"};
    route->meta.where = {"routes.yaml", 2};
    route->parents = {{"shop", "pay", 80, "", 3}};
    route->rules.emplace_back().matches.emplace_back();
    auto& ref = route->rules[0].backends.emplace_back();
    ref.ns = "shop";
    ref.name = backend;
    ref.port = 80;
    route->rules[0].request_timeout = std::chrono::seconds(2);
    snapshot.http_routes[route->meta.key] = route;
  }

  void add_strict() {
    auto policy = std::make_shared<model::PeerAuthentication>();
    policy->meta.key = {model::Kind::kPeerAuthentication, "shop", "strict"};
    policy->meta.where = {"mtls.yaml", 3};
    policy->mode = model::MtlsMode::kStrict;
    snapshot.peer_authentications[policy->meta.key] = policy;
  }

  model::Snapshot snapshot;
  compile::Plan plan;
  compile::NodeFacts facts;
  LiveState live;
  std::unique_ptr<MeshView> view;
  std::shared_ptr<model::Pod> web, pay, far, raw;
  std::shared_ptr<model::Service> service;
};

}  // namespace keelson::admin
