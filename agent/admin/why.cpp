#include "admin/why.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "admin/far_pod.h"
#include "config/runtime_config.h"

namespace keelson::admin {
namespace {

constexpr size_t kEndpointsShown = 64;  // judged one by one; more: the first ones

struct Name {
  std::string ns, name;
  static std::optional<Name> parse(const std::string& text) {
    const auto slash = text.find('/');
    if (slash == 0 || slash == std::string::npos || slash + 1 == text.size()) return std::nullopt;
    return Name{text.substr(0, slash), text.substr(slash + 1)};
  }
};

// One way from the source to one endpoint.
struct Route {
  Endpoint endpoint;
  const model::Pod* pod = nullptr;  // null: not a pod we know
  std::string_view path;            // "direct", "capture", "passthrough", "kube-proxy"
  std::string because;
};

class Explainer {
 public:
  Explainer(const MeshView& view, WhyQuestion question, const Decide& decide,
            const std::vector<Flow>& recent)
      : view_(view), decide_(decide), recent_(recent) {
    report_.question = std::move(question);
  }

  WhyReport run() {
    if (find_source() && find_target() && (rules_ != nullptr ? find_backends() : find_endpoints()))
      judge_routes();
    add_recent();
    return std::move(report_);
  }

 private:
  bool ok(std::string name, std::string detail) {
    report_.links.push_back({std::move(name), LinkResult::kOk, std::move(detail), {}});
    return true;
  }
  bool skip(std::string name, std::string detail) {
    report_.links.push_back({std::move(name), LinkResult::kSkipped, std::move(detail), {}});
    return true;
  }
  bool broken(std::string name, std::string detail, std::string fix) {
    report_.links.push_back(
        {std::move(name), LinkResult::kBroken, std::move(detail), std::move(fix)});
    return false;
  }

  bool find_source();
  bool check_source_enrolment();
  bool check_configuration();
  bool find_target();
  bool find_port(const model::Service& service);
  bool check_service();
  bool check_rules();
  bool find_endpoints();
  bool find_backends();
  // Kept as long as the explanation is made; null for nothing.
  const model::Pod* keep(std::optional<FarPod> far);
  bool is_far(const model::Pod& pod) const;
  Route route_to(const Endpoint& endpoint, const model::Pod* pod);
  void judge_routes();
  bool judge(const Route& route);
  bool judge_path(const Route& route);
  bool judge_destination(const Route& route);
  bool judge_mode(const Route& route);
  bool judge_policy(const Route& route);
  bool leave_to_its_node(const std::string& link, const Route& route, const std::string& what,
                         const std::vector<std::string>& names);
  bool judge_proxy(const Route& route);
  void add_recent();

  // Its node does not list it: not in the mesh yet, or kept out by what only its node sees.
  bool is_unlisted(const model::Pod& pod) const {
    return is_far(pod) && view_.standing(pod).membership == Membership::kPending;
  }
  bool is_outside(const Route& route) const {
    return route.pod == nullptr || is_unlisted(*route.pod) ||
           view_.standing(*route.pod).membership == Membership::kUnmeshed;
  }
  bool is_proven(const Route& route) const {
    return source_meshed_ && (route.path == "direct" || route.path == "capture");
  }

  const MeshView& view_;
  const Decide& decide_;
  const std::vector<Flow>& recent_;
  WhyReport report_;
  const model::Pod* source_ = nullptr;
  bool source_meshed_ = false;
  const model::Service* service_ = nullptr;  // null: the target is a pod
  const model::ServicePort* port_ = nullptr;
  const model::Pod* target_pod_ = nullptr;
  bool by_kube_proxy_ = false;
  bool per_request_ = false;                 // captured because of an HTTPRoute
  const config::RouteSet* rules_ = nullptr;  // null: to the Service's own endpoints
  std::vector<Route> routes_;
  std::deque<FarPod> far_pods_;  // addresses of its elements stay
};

bool Explainer::find_source() {
  const auto name = Name::parse(report_.question.from);
  if (!name)
    return broken("source", "'" + report_.question.from + "' is not namespace/pod",
                  "keelsonctl config workloads");
  source_ = view_.find_pod(name->ns, name->name);
  if (source_ == nullptr)
    return broken("source", "pod " + report_.question.from + " does not exist",
                  "kubectl get pods -n " + name->ns);
  if (!view_.is_local(*source_))
    return broken("source",
                  "pod " + report_.question.from + " runs on node " + source_->node_name +
                      "; this agent serves node " + view_.facts.node_name,
                  "keelsonctl --node " + source_->node_name + " why " + report_.question.from +
                      " " + report_.question.to);
  ok("source",
     "pod " + report_.question.from + " runs on this node as " + view_.identity(*source_));
  return check_source_enrolment() && check_configuration();
}

bool Explainer::check_source_enrolment() {
  const PodStanding standing = view_.standing(*source_);
  switch (standing.membership) {
    case Membership::kUnmeshed:
      return skip("enrolment",
                  "the pod is not in the mesh: it calls in plaintext, without identity");
    case Membership::kReady:
      source_meshed_ = true;
      return ok("enrolment", "the pod is in the mesh");
    case Membership::kRefused:
      return broken("enrolment",
                    "the pod asks for the mesh and cannot join: " + standing.reason +
                        (standing.detail.empty() ? "" : " (" + standing.detail + ")"),
                    "keelsonctl status");
    default:
      return broken("enrolment",
                    "the pod is " + std::string(membership_name(standing.membership)) +
                        (standing.detail.empty() ? "" : ": " + standing.detail),
                    "keelsonctl status");
  }
}

bool Explainer::check_configuration() {
  const RolloutState& rollout = view_.live.rollout;
  if (rollout.phase == RolloutPhase::kFenced)
    return broken("configuration", "a newer agent has taken over this node",
                  "kubectl -n " + view_.facts.root_namespace + " get pods -o wide");
  if (rollout.applied_generation >= view_.snapshot.generation)
    return ok("configuration",
              "generation " + std::to_string(rollout.applied_generation) + " is in the kernel");
  return broken("configuration",
                "generation " + std::to_string(view_.snapshot.generation) +
                    " is read, the kernel has " + std::to_string(rollout.applied_generation) +
                    (rollout.waiting_for.empty() ? "" : "; waiting until " + rollout.waiting_for),
                "keelsonctl status");
}

bool Explainer::find_target() {
  const auto name = Name::parse(report_.question.to);
  if (!name)
    return broken("name", "'" + report_.question.to + "' is not namespace/service-or-pod",
                  "keelsonctl config services");
  service_ = view_.find_service(name->ns, name->name);
  if (service_ != nullptr) {
    ok("name", "Service " + report_.question.to + " exists");
    return find_port(*service_) && check_service();
  }
  target_pod_ = view_.find_pod(name->ns, name->name);
  if (target_pod_ == nullptr)
    target_pod_ = keep(find_far_pod(view_.snapshot, name->ns, name->name));
  if (target_pod_ == nullptr)
    return broken("name",
                  "no Service and no pod is named " + report_.question.to +
                      "; a pod of another node is known here by its NodeState and EndpointSlices",
                  "kubectl get services,pods -n " + name->ns);
  ok("name", "pod " + report_.question.to + " exists");
  if (report_.question.port != 0) return true;
  if (target_pod_->ports.size() != 1)
    return broken("port",
                  is_far(*target_pod_) ? "which ports the pod has only its node knows"
                                       : "the pod does not name exactly one port",
                  "keelsonctl why " + report_.question.from + " " + report_.question.to + ":PORT");
  report_.question.port = target_pod_->ports.front().port;
  return true;
}

bool Explainer::find_port(const model::Service& service) {
  std::string known;
  size_t tcp_ports = 0;
  for (const auto& port : service.ports) {
    if (!port.is_tcp) continue;
    ++tcp_ports;
    known += (known.empty() ? "" : ", ") + std::to_string(port.port);
    if (report_.question.port == 0 || port.port == report_.question.port) port_ = &port;
  }
  const bool ambiguous = report_.question.port == 0 && tcp_ports > 1;
  if (port_ != nullptr && !ambiguous) {
    report_.question.port = port_->port;
    return ok("port", "TCP port " + std::to_string(port_->port));
  }
  if (ambiguous)
    return broken("port", "the Service has several TCP ports: " + known,
                  "keelsonctl why " + report_.question.from + " " + report_.question.to + ":PORT");
  return broken(
      "port",
      known.empty() ? "the Service has no TCP port; UDP is not meshed"
                    : "the Service has no TCP port " + std::to_string(report_.question.port) +
                          ", only " + known,
      "kubectl get service -n " + service.meta.key.ns + " " + service.meta.key.name + " -o yaml");
}

bool Explainer::check_service() {
  if (service_->external_name)
    return skip("service", "ExternalName: a DNS alias, not a destination of its own");
  if (service_->headless) return ok("service", "headless: the client picks a pod by DNS");
  if (!source_meshed_) {
    by_kube_proxy_ = true;
    return skip("service", "the source is not in the mesh: kube-proxy picks the endpoint");
  }
  if (view_.is_implemented(*service_, *port_)) {
    for (const auto& address : service_->cluster_ips)
      if (const auto row = view_.service_row(address, port_->port))
        per_request_ = per_request_ || (row->flags & KS_SERVICE_L7) != 0;
    if (per_request_) return check_rules();
    return ok("service", "its addresses are in the kernel; the endpoint is chosen at connect");
  }
  by_kube_proxy_ = true;
  const std::string because = view_.left_alone_because(*service_);
  return skip("service", "left to kube-proxy" + (because.empty() ? "" : ": " + because));
}

// An HTTPRoute concerns the Service's port: which rules hold for this client.
bool Explainer::check_rules() {
  ok("service", "its addresses are in the kernel; captured, and routed per request by the proxy");
  const auto& key = service_->meta.key;
  const config::Service* routed = nullptr;
  if (view_.plan.proxy != nullptr)
    for (const auto& [id, service] : view_.plan.proxy->services)
      if (service->ns == key.ns && service->name == key.name && service->port == port_->port)
        routed = service.get();
  if (routed != nullptr && routed->routes != nullptr)
    rules_ = routed->routes->for_client(source_->meta.key.ns);
  if (rules_ == nullptr)
    return ok("routes", "no HTTPRoute is for clients of namespace '" + source_->meta.key.ns +
                            "': requests go to the Service's own endpoints");
  for (const auto& rule : rules_->rules)
    for (const auto& backend : rule.backends)
      if (!backend.is_valid && backend.weight != 0)
        return broken("routes",
                      "rule " + rule.name + ": backend " + backend.name +
                          " cannot be used, and its share of the requests is answered 500",
                      "keelsonctl status");
  if (rules_->entries.empty())
    return broken("routes", "the HTTPRoute has no rule: every request is answered 404",
                  "keelsonctl config routes");
  return ok("routes", std::to_string(rules_->entries.size()) +
                          " matches; a request that none fits is answered 404");
}

// Endpoints of every backend that some rule sends requests to.
bool Explainer::find_backends() {
  std::set<std::string> empty;
  size_t backends = 0;
  for (const auto& rule : rules_->rules)
    for (const auto& backend : rule.backends) {
      if (!backend.is_valid || backend.weight == 0) continue;
      ++backends;
      bool is_ready = false;
      for (const uint64_t id : backend.service) {
        const auto set = view_.plan.proxy->endpoints.find(id);
        if (set == view_.plan.proxy->endpoints.end()) continue;
        for (const Endpoint& endpoint : set->second->endpoints) {
          is_ready = true;
          if (routes_.size() < kEndpointsShown)
            routes_.push_back(route_to(endpoint, view_.find_pod(endpoint.address)));
        }
      }
      if (!is_ready) empty.insert(backend.name);
    }
  if (!empty.empty())
    return broken("endpoints",
                  "no endpoint of backend " + *empty.begin() +
                      " is ready: its share of the requests is answered 503",
                  "keelsonctl config services");
  if (backends != 0)
    return ok("endpoints", std::to_string(routes_.size()) + " ready behind the rules' backends");
  report_.path = "capture";
  return skip("endpoints", "no rule has a backend: the proxy answers itself") &&
         judge_proxy({{}, nullptr, "capture", {}});
}

bool Explainer::find_endpoints() {
  if (target_pod_ != nullptr) {
    if (target_pod_->addresses.empty())
      return broken("endpoints", "the pod has no address yet",
                    "kubectl get pod -n " + target_pod_->meta.key.ns + " " +
                        target_pod_->meta.key.name + " -o wide");
    routes_.push_back(
        route_to({target_pod_->addresses.front(), report_.question.port}, target_pod_));
    return ok("endpoints", target_pod_->addresses.front().to_string());
  }
  if (service_->external_name) return skip("endpoints", "none: the name is an alias");
  const auto all = view_.endpoints(*service_, *port_);
  for (const auto& endpoint : all)
    if (endpoint.ready && routes_.size() < kEndpointsShown)
      routes_.push_back(route_to(endpoint.address, endpoint.pod));
  if (!routes_.empty())
    return ok("endpoints", std::to_string(std::count_if(all.begin(), all.end(),
                                                        [](const auto& e) { return e.ready; })) +
                               " of " + std::to_string(all.size()) + " ready");
  const std::string where = " -n " + service_->meta.key.ns;
  if (all.empty())
    return broken("endpoints", "the Service has no endpoint for this port",
                  "kubectl get endpointslices" + where +
                      " -l kubernetes.io/service-name=" + service_->meta.key.name);
  return broken("endpoints", "none of " + std::to_string(all.size()) + " endpoints is ready",
                "kubectl get pods" + where + " -o wide");
}

const model::Pod* Explainer::keep(std::optional<FarPod> far) {
  return far ? &far_pods_.emplace_back(std::move(*far)).pod : nullptr;
}

bool Explainer::is_far(const model::Pod& pod) const {
  return std::ranges::any_of(far_pods_, [&](const FarPod& far) { return &far.pod == &pod; });
}

Route Explainer::route_to(const Endpoint& endpoint, const model::Pod* pod) {
  if (pod == nullptr) pod = keep(find_far_pod(view_.snapshot, endpoint.address));
  Route route{endpoint, pod, "passthrough", {}};
  const uint16_t port = report_.question.port;
  if (!source_meshed_) {
    route.because = "the source is not in the mesh: the kernel programs do not touch it";
    return route;
  }
  const auto& excluded = source_->excluded_outbound_ports;
  if (std::find(excluded.begin(), excluded.end(), port) != excluded.end()) {
    route.because = "the source excludes port " + std::to_string(port) + " by annotation";
    return route;
  }
  if (by_kube_proxy_) {
    route.path = "kube-proxy";
    route.because = "the Service is left to kube-proxy";
    return route;
  }
  if (per_request_) {
    route.path = "capture";
    route.because = "the Service is routed per request";
    return route;
  }
  const auto row = view_.address_row(endpoint.address);
  const auto local_mtls = [&](const model::Pod* end) {
    const auto record = end == nullptr ? std::nullopt : view_.pod_row(*end);
    return record && (record->flags & KS_POD_LOCAL_MTLS) != 0;
  };
  if (!row) {
    route.because = "the destination is outside the mesh: plaintext";
  } else if ((row->flags & KS_ADDRESS_LOCAL) != 0) {
    const bool mtls = local_mtls(source_) || local_mtls(pod);
    route.path = mtls ? "capture" : "direct";
    route.because = mtls ? "same node, and its namespace asks for mTLS there too"
                         : "same node, no L7 need: no proxy in between";
  } else if ((row->flags & KS_ADDRESS_READY) != 0) {
    route.path = "capture";
    route.because = "another node: mTLS by the proxies (HBONE)";
  } else {
    route.because = "another node that does not list the pod as ready yet: plaintext";
  }
  return route;
}

// The links after the endpoint choice are shown for the first endpoint that is broken, because that
// is the one that some connections meet; without any, for the first that its node decides about, or
// else for the first.
void Explainer::judge_routes() {
  if (routes_.empty()) return;
  const auto before = report_.links;
  const Route* chosen = nullptr;
  const Route* undecided = nullptr;
  for (const auto& route : routes_) {
    const bool good = judge(route);
    report_.links = before;
    if (!std::exchange(report_.decided_by, {}).empty() && undecided == nullptr) undecided = &route;
    if (good) continue;
    chosen = &route;
    break;
  }
  if (chosen == nullptr) chosen = undecided != nullptr ? undecided : &routes_.front();
  report_.path = chosen->path;
  report_.destination =
      chosen->pod != nullptr ? pod_text(*chosen->pod) : chosen->endpoint.to_string();
  judge(*chosen);
}

bool Explainer::judge(const Route& route) {
  return judge_path(route) && judge_destination(route) && judge_mode(route) &&
         judge_policy(route) && judge_proxy(route);
}

bool Explainer::judge_path(const Route& route) {
  std::map<std::string_view, size_t> paths;
  for (const auto& other : routes_) ++paths[other.path];
  std::string detail = std::string(route.path) + ": " + route.because;
  if (paths.size() > 1) {
    detail += " (endpoints by path:";
    for (const auto& [path, count] : paths)
      detail += " " + std::string(path) + " " + std::to_string(count);
    detail += ")";
  }
  const bool meshed = route.pod != nullptr && view_.address_row(route.endpoint.address).has_value();
  if (route.path == "kube-proxy" && meshed)
    return broken("path", detail + "; a meshed pod refuses what its peer's kernel did not attest",
                  "keelsonctl config services");
  return ok("path", std::move(detail));
}

bool Explainer::judge_destination(const Route& route) {
  if (route.pod == nullptr)
    return skip("destination", route.endpoint.to_string() + " is not a pod of the mesh");
  const std::string name = "pod " + pod_text(*route.pod);
  const PodStanding standing = view_.standing(*route.pod);
  const bool is_local = view_.is_local(*route.pod);
  const std::string node = is_local ? "" : " --node " + route.pod->node_name;
  const std::string where = is_local ? "" : " of node " + route.pod->node_name;
  if (is_unlisted(*route.pod))
    return skip("destination", name + where +
                                   " is not listed by its node: not in the mesh yet, or kept out "
                                   "(its own label, the node's network)");
  switch (standing.membership) {
    case Membership::kUnmeshed:
      return skip("destination", name + where + " is not in the mesh");
    case Membership::kReady:
      if (!route.pod->ready)
        return broken(
            "destination", name + where + " is in the mesh but not ready",
            "kubectl describe pod -n " + route.pod->meta.key.ns + " " + route.pod->meta.key.name);
      return ok("destination",
                name + (is_local ? " is in the mesh and ready"
                                 : where + " is in the mesh: listed there as ready"));
    default:
      return broken("destination",
                    name + where + " is " + std::string(membership_name(standing.membership)) +
                        (standing.detail.empty() ? "" : ": " + standing.detail),
                    "keelsonctl" + node + " status");
  }
}

bool Explainer::judge_mode(const Route& route) {
  if (is_outside(route)) return skip("mode", "the destination asks for nothing");
  if (is_proven(route))
    return ok("mode", route.path == "direct" ? "attested by the kernel: STRICT is met"
                                             : "mutual TLS: STRICT is met");
  const bool is_strict = view_.is_strict(*route.pod, route.endpoint.port);
  if (is_far(*route.pod))
    if (const auto names = undecided_modes(view_, *route.pod); !names.empty())
      return leave_to_its_node("mode", route, "PeerAuthentication", names);
  if (!is_strict) return ok("mode", "PERMISSIVE: plaintext is judged without an identity");
  const auto* policy = view_.peer_authentication(*route.pod);
  const std::string place = policy == nullptr ? std::string()
                                              : " (" + policy->meta.key.to_string() + ", " +
                                                    policy->meta.where.to_string() + ")";
  return broken("mode", "STRICT refuses plaintext" + place,
                "kubectl label namespace " + source_->meta.key.ns + " " +
                    std::string(model::kMeshLabel) + "=enabled");
}

bool Explainer::judge_policy(const Route& route) {
  if (is_outside(route))
    return skip("policy", "the destination is not in the mesh: nothing is enforced");
  const std::string identity = view_.identity(*source_);
  const bool proven = is_proven(route);
  const IpAddress address = source_->addresses.empty() ? IpAddress() : source_->addresses.front();
  const bool known = model::is_meshed(view_.snapshot, *source_);
  const PeerAnswer answer = decide_(
      {proven ? identity : "", known ? identity : "", address, *route.pod, route.endpoint.port});
  const bool is_certain = !answer.allowed && answer.reason == Reason::policy_denied;
  if (is_far(*route.pod) && !is_certain)
    if (const auto names = undecided_policies(view_, *route.pod); !names.empty())
      return leave_to_its_node("policy", route, "AuthorizationPolicy", names);
  std::string by = answer.policy;
  if (!answer.where.file.empty()) by += ", " + answer.where.to_string();
  if (answer.allowed)
    return ok("policy", by.empty() ? "no AuthorizationPolicy refuses it" : "allowed by " + by);
  std::string detail =
      std::string(reason_name(answer.reason)) + ": " + std::string(reason_text(answer.reason));
  if (!by.empty()) detail += " (" + by + ")";
  detail += proven ? "; the caller is " + identity : "; the caller proves no identity";
  const std::string object = answer.policy.substr(0, answer.policy.find_first_of(", ("));
  const auto slash = object.find('/');
  std::string fix = "keelsonctl config policies";
  if (!proven && !source_meshed_)
    fix = "kubectl label namespace " + source_->meta.key.ns + " " + std::string(model::kMeshLabel) +
          "=enabled";
  else if (slash != std::string::npos)
    fix = "kubectl edit authorizationpolicy -n " + object.substr(0, slash) + " " +
          object.substr(slash + 1);
  return broken("policy", std::move(detail), std::move(fix));
}

// Labels of a pod are known on its own node only.
bool Explainer::leave_to_its_node(const std::string& link, const Route& route,
                                  const std::string& what, const std::vector<std::string>& names) {
  const std::string& node = route.pod->node_name;
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
  report_.decided_by = node;
  return skip(link, "only node " + node + " knows whether " + what + " " + list +
                        " selects the pod: keelsonctl --node " + node + " config workloads");
}

bool Explainer::judge_proxy(const Route& route) {
  const auto record = route.pod == nullptr ? std::nullopt : view_.pod_row(*route.pod);
  const bool needed = route.path == "capture" || (record && (record->flags & KS_POD_L7) != 0);
  if (!needed) return skip("proxy", "no proxy on this path");
  if (!view_.live.proxy.connected)
    return broken(
        "proxy", "this path goes through the L7 proxy, and none is connected: connections wait",
        "kubectl -n " + view_.facts.root_namespace + " rollout status daemonset/keelson-l7");
  if (view_.live.proxy.acknowledged_generation < view_.live.rollout.applied_generation)
    return broken("proxy",
                  "the proxy has generation " +
                      std::to_string(view_.live.proxy.acknowledged_generation) + ", the kernel " +
                      std::to_string(view_.live.rollout.applied_generation),
                  "keelsonctl status");
  return ok("proxy",
            "connected, generation " + std::to_string(view_.live.proxy.acknowledged_generation));
}

void Explainer::add_recent() {
  std::map<std::string_view, size_t> counts;
  const Flow* newest = nullptr;
  for (const auto& flow : recent_) {
    ++counts[flow.reason];
    newest = &flow;
  }
  if (newest == nullptr) {
    skip("flows", "no connection between them was recorded lately");
    return;
  }
  std::string detail = "recorded lately:";
  for (const auto& [reason, count] : counts)
    detail += " " + std::string(reason) + " " + std::to_string(count);
  if (newest->allowed) {
    ok("flows", std::move(detail));
    return;
  }
  detail += "; the newest was refused: " + std::string(newest->reason);
  broken("flows", std::move(detail),
         "keelsonctl observe --last 20 --from " + report_.question.from + " --verdict denied");
}

}  // namespace

std::string_view link_result_name(LinkResult result) noexcept {
  switch (result) {
    case LinkResult::kOk:
      return "ok";
    case LinkResult::kBroken:
      return "broken";
    case LinkResult::kSkipped:
      return "skipped";
  }
  return "unknown";
}

const Link* WhyReport::first_broken() const noexcept {
  for (const auto& link : links)
    if (link.result == LinkResult::kBroken) return &link;
  return nullptr;
}

WhyReport why(const MeshView& view, const WhyQuestion& question, const Decide& decide,
              const std::vector<Flow>& recent) {
  return Explainer(view, question, decide, recent).run();
}

}  // namespace keelson::admin
