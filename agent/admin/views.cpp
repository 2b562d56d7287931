#include "admin/views.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "admin/json_text.h"
#include "base/utc_text.h"

namespace keelson::admin {
namespace {

using Json = nlohmann::ordered_json;

std::string_view severity_name(model::Severity severity) noexcept {
  switch (severity) {
    case model::Severity::kInfo:
      return "info";
    case model::Severity::kWarning:
      return "warning";
    case model::Severity::kError:
      return "error";
  }
  return "unknown";
}

std::string_view mode_name(model::MtlsMode mode) noexcept {
  switch (mode) {
    case model::MtlsMode::kUnset:
      return "UNSET";
    case model::MtlsMode::kPermissive:
      return "PERMISSIVE";
    case model::MtlsMode::kStrict:
      return "STRICT";
    case model::MtlsMode::kDisable:
      return "DISABLE";
  }
  return "UNKNOWN";
}

std::string_view protocol_name(model::AppProtocol protocol) noexcept {
  switch (protocol) {
    case model::AppProtocol::kTcp:
      return "tcp";
    case model::AppProtocol::kHttp1:
      return "http";
    case model::AppProtocol::kHttp2:
      return "http2";
  }
  return "unknown";
}

Json findings_json(const MeshView& view) {
  std::vector<model::Finding> all = view.live.findings;
  all.insert(all.end(), view.plan.findings.begin(), view.plan.findings.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.severity > b.severity; });
  Json list = Json::array();
  for (const auto& finding : all)
    list.push_back({{"severity", severity_name(finding.severity)},
                    {"reason", reason_name(finding.reason)},
                    {"file", finding.where.file},
                    {"line", finding.where.line},
                    {"object", finding.object},
                    {"message", finding.message},
                    {"fix", finding.fix}});
  return list;
}

Json counters_json(const ReasonCounters& counters, int first, int last) {
  Json list = Json::array();
  for (const auto& info : kReasons) {
    const int number = static_cast<int>(info.reason);
    const uint64_t count = counters[static_cast<size_t>(number)];
    if (number < first || number > last || count == 0) continue;
    list.push_back({{"reason", info.name}, {"count", count}});
  }
  return list;
}

Json addresses_json(const std::vector<IpAddress>& addresses) {
  Json list = Json::array();
  for (const auto& address : addresses) list.push_back(address.to_string());
  return list;
}

// The policies' names in evaluation order: DENY before ALLOW.
Json policies_of(const MeshView& view, const model::Pod& pod) {
  Json list = Json::array();
  for (auto action : {model::PolicyAction::kDeny, model::PolicyAction::kAllow})
    for (const auto& [key, policy] : view.snapshot.authorization_policies)
      if (policy->action == action && view.selects(policy->meta, policy->selector, pod))
        list.push_back(key.ns + "/" + key.name);
  return list;
}

Json workload_json(const MeshView& view, const model::Pod& pod) {
  const PodStanding standing = view.standing(pod);
  Json entry{{"namespace", pod.meta.key.ns},
             {"name", pod.meta.key.name},
             {"node", pod.node_name},
             {"local", view.is_local(pod)},
             {"service_account", pod.service_account},
             {"identity", view.identity(pod)},
             {"addresses", addresses_json(pod.addresses)},
             {"ready", pod.ready},
             {"state", membership_name(standing.membership)},
             {"reason", standing.reason},
             {"detail", standing.detail},
             {"mode", view.is_strict(pod, 0) ? "STRICT" : "PERMISSIVE"},
             {"policies", policies_of(view, pod)}};
  const auto* local = view.local_pod(pod);
  if (local == nullptr) return entry;
  entry["slot"] = local->slot;
  entry["netns_cookie"] = local->netns_cookie;
  if (const auto row = view.pod_row(pod)) {
    const int last = row->capture_port_first + row->capture_port_count - 1;
    entry["capture_ports"] = std::to_string(row->capture_port_first) + "-" + std::to_string(last);
  }
  return entry;
}

Json service_port_json(const MeshView& view, const model::Service& service,
                       const model::ServicePort& port) {
  Json endpoints = Json::array();
  for (const auto& endpoint : view.endpoints(service, port))
    endpoints.push_back({{"address", endpoint.address.to_string()},
                         {"pod", endpoint.pod == nullptr ? "" : pod_text(*endpoint.pod)},
                         {"node", endpoint.node},
                         {"ready", endpoint.ready}});
  bool per_request = false;
  for (const auto& address : service.cluster_ips)
    if (const auto row = view.service_row(address, port.port))
      per_request = per_request || (row->flags & KS_SERVICE_L7) != 0;
  return {{"name", port.name},
          {"port", port.port},
          {"target", port.target_port == 0 ? port.target_name : std::to_string(port.target_port)},
          {"protocol", port.is_tcp ? "TCP" : "other"},
          {"application_protocol", protocol_name(port.app_protocol)},
          {"implemented", view.is_implemented(service, port)},
          {"routed_per_request", per_request},
          {"endpoints", std::move(endpoints)}};
}

Json service_json(const MeshView& view, const model::Service& service) {
  Json ports = Json::array();
  bool implemented = !service.ports.empty();
  for (const auto& port : service.ports) {
    if (port.is_tcp) implemented = implemented && view.is_implemented(service, port);
    ports.push_back(service_port_json(view, service, port));
  }
  std::string detail;
  if (service.headless)
    detail = "headless: clients dial the pods";
  else if (service.external_name)
    detail = "ExternalName: a DNS alias";
  else if (!implemented)
    detail = view.left_alone_because(service);
  return {{"namespace", service.meta.key.ns},
          {"name", service.meta.key.name},
          {"addresses", addresses_json(service.cluster_ips)},
          {"implemented", implemented},
          {"detail", detail},
          {"ports", std::move(ports)}};
}

template <class Policy>
Json policy_head(const MeshView& view, const Policy& policy) {
  Json selects = Json::array();
  for (const auto& [key, pod] : view.snapshot.pods)
    if (!pod->terminal && view.selects(policy.meta, policy.selector, *pod))
      selects.push_back(pod_text(*pod));
  Json selector = Json::object();
  if (policy.selector)
    for (const auto& [name, value] : *policy.selector) selector[name] = value;
  return {{"kind", model::kind_name(policy.meta.key.kind)},
          {"namespace", policy.meta.key.ns},
          {"name", policy.meta.key.name},
          {"action", ""},
          {"mode", ""},
          {"port_modes", Json::object()},
          {"selector", std::move(selector)},
          {"rules", 0},
          {"unreadable", false},
          {"file", policy.meta.where.file},
          {"line", policy.meta.where.line},
          {"selects", std::move(selects)}};
}

Json objects_json(const model::Snapshot& snapshot) {
  return {{"namespaces", snapshot.namespaces.size()},
          {"pods", snapshot.pods.size()},
          {"services", snapshot.services.size()},
          {"endpoint_slices", snapshot.endpoint_slices.size()},
          {"authorization_policies", snapshot.authorization_policies.size()},
          {"peer_authentications", snapshot.peer_authentications.size()},
          {"http_routes", snapshot.http_routes.size()},
          {"reference_grants", snapshot.reference_grants.size()},
          {"node_states", snapshot.node_states.size()}};
}

void add_workloads(Json& status, const MeshView& view) {
  size_t local = 0, meshed = 0, ready = 0, refused = 0;
  Json workloads = Json::array();
  for (const auto& [key, pod] : view.snapshot.pods) {
    if (!view.is_local(*pod) || pod->terminal) continue;
    const PodStanding standing = view.standing(*pod);
    ++local;
    if (standing.membership != Membership::kUnmeshed) ++meshed;
    if (standing.membership == Membership::kReady) ++ready;
    if (standing.membership == Membership::kRefused) ++refused;
    workloads.push_back({{"pod", pod_text(*pod)},
                         {"state", membership_name(standing.membership)},
                         {"reason", standing.reason},
                         {"detail", standing.detail}});
  }
  status["pods"] = {{"local", local}, {"meshed", meshed}, {"ready", ready}, {"refused", refused}};
  status["workloads"] = std::move(workloads);
}

Json edges_json(const Edges& edges) {
  Json list = Json::array();
  for (const Edge& edge : edges.recent(kEdgesShownMax))
    list.push_back({{"from", edge.from},
                    {"to", edge.to},
                    {"paths", edge.transport_names()},
                    {"allowed", edge.allowed},
                    {"denied", edge.denied},
                    {"reason", edge.reason},
                    {"first_seen", utc_text(edge.first_seen)},
                    {"last_seen", utc_text(edge.last_seen)}});
  return list;
}

Json proxy_outcomes(const ProxyCounters& proxy) {
  Json outcomes = Json::array();
  for (const auto& [reason, count] : proxy.reasons)
    if (is_outcome(reason)) outcomes.push_back({{"reason", reason_name(reason)}, {"count", count}});
  return outcomes;
}

}  // namespace

std::string version_json(const MeshView& view) {
  return json_text(Json{{"version", view.live.version},
                        {"build", view.live.build},
                        {"pid", view.live.pid},
                        {"node", view.facts.node_name}});
}

std::string status_json(const MeshView& view, const Readiness& readiness, const Edges& edges) {
  const LiveState& live = view.live;
  Json missing = Json::array();
  for (const auto& task : readiness.missing())
    missing.push_back({{"task", task.name}, {"detail", task.detail}});
  Json status{{"node", view.facts.node_name},
              {"version", live.version},
              {"pid", live.pid},
              {"uptime_seconds", live.uptime.count()},
              {"ready", readiness.is_ready()},
              {"missing", std::move(missing)},
              {"generation",
               {{"snapshot", view.snapshot.generation},
                {"plan", view.plan.generation},
                {"applied", live.rollout.applied_generation}}},
              {"rollout",
               {{"phase", rollout_phase_name(live.rollout.phase)},
                {"waiting_for", live.rollout.waiting_for},
                {"map_writes", live.rollout.map_writes},
                {"map_write_failures", live.rollout.map_write_failures}}},
              {"hold", {{"connected", live.hold_connected}}},
              {"proxy",
               {{"connected", live.proxy.connected},
                {"acknowledged_generation", live.proxy.acknowledged_generation},
                {"connections_active", live.proxy.counters.connections_active},
                {"connections_total", live.proxy.counters.connections_total},
                {"streams_lost_total", live.proxy.streams_lost_total},
                {"outcomes", proxy_outcomes(live.proxy.counters)}}}};
  add_workloads(status, view);
  status["objects"] = objects_json(view.snapshot);
  status["connections"] = counters_json(live.counters, 1, 49);
  status["refusals"] = counters_json(live.counters, 50, 99);
  status["edges_known"] = edges.size();
  status["edges"] = edges_json(edges);
  status["events_lost"] = live.events_lost;
  status["findings"] = findings_json(view);
  return json_text(status);
}

std::string workloads_json(const MeshView& view) {
  Json workloads = Json::array();
  for (const auto& [key, pod] : view.snapshot.pods)
    if (!pod->terminal) workloads.push_back(workload_json(view, *pod));
  return json_text(
      Json{{"generation", view.snapshot.generation}, {"workloads", std::move(workloads)}});
}

std::string services_json(const MeshView& view) {
  Json services = Json::array();
  for (const auto& [key, service] : view.snapshot.services)
    services.push_back(service_json(view, *service));
  return json_text(
      Json{{"generation", view.snapshot.generation}, {"services", std::move(services)}});
}

std::string policies_json(const MeshView& view) {
  Json policies = Json::array();
  for (const auto& [key, policy] : view.snapshot.authorization_policies) {
    Json entry = policy_head(view, *policy);
    entry["action"] = policy->action == model::PolicyAction::kDeny ? "DENY" : "ALLOW";
    entry["rules"] = policy->rules.size();
    entry["unreadable"] = policy->unreadable;
    policies.push_back(std::move(entry));
  }
  for (const auto& [key, policy] : view.snapshot.peer_authentications) {
    Json entry = policy_head(view, *policy);
    entry["mode"] = mode_name(policy->mode);
    for (const auto& [port, mode] : policy->port_modes)
      entry["port_modes"][std::to_string(port)] = mode_name(mode);
    policies.push_back(std::move(entry));
  }
  return json_text(
      Json{{"generation", view.snapshot.generation}, {"policies", std::move(policies)}});
}

std::string why_json(const WhyReport& report) {
  Json links = Json::array();
  for (const auto& link : report.links)
    links.push_back({{"name", link.name},
                     {"result", link_result_name(link.result)},
                     {"detail", link.detail},
                     {"fix", link.fix}});
  const Link* broken = report.first_broken();
  return json_text(Json{{"from", report.question.from},
                        {"to", report.question.to},
                        {"port", report.question.port},
                        {"destination", report.destination},
                        {"path", report.path},
                        {"verdict", broken != nullptr           ? "broken"
                                    : report.decided_by.empty() ? "allowed"
                                                                : "undecided"},
                        {"broken", broken == nullptr ? "" : broken->name},
                        {"decided_by", report.decided_by},
                        {"links", std::move(links)}});
}

std::string checks_json(const std::vector<Check>& checks) {
  Json list = Json::array();
  bool ok = true;
  for (const auto& check : checks) {
    const bool failed = check.result == CheckResult::kError;
    ok = ok && !failed;
    list.push_back({{"group", check.group},
                    {"name", check.name},
                    {"result", failed                                  ? "error"
                               : check.result == CheckResult::kWarning ? "warning"
                                                                       : "ok"},
                    {"detail", check.detail},
                    {"fix", check.fix}});
  }
  return json_text(Json{{"ok", ok}, {"checks", std::move(list)}});
}

std::string error_json(Reason reason, std::string_view message, std::string_view next) {
  return json_text(
      Json{{"error", {{"code", reason_name(reason)}, {"message", message}, {"next", next}}}});
}

}  // namespace keelson::admin
