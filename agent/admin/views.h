// The JSON that the admin socket answers with. Pure: state in, text out; no clock, no I/O.
// Field names are an interface (keelsonctl, scripts): add, never rename. Missing values are "" or
// [] and never null. Counts are numbers, states and reasons are lower-case names.
//
// /v1/version   {version, build, pid, node}
// /v1/status    {node, version, pid, uptime_seconds, ready, missing:[{task, detail}],
//                generation:{snapshot, plan, applied}, rollout:{phase, waiting_for, map_writes,
//                map_write_failures}, hold:{connected}, proxy:{connected,
//                acknowledged_generation, connections_active, connections_total,
//                outcomes:[{reason, count}]},
//                pods:{local, meshed, ready, refused}, workloads:[{pod, state, reason, detail}],
//                objects:{namespaces, pods, services, endpoint_slices, authorization_policies,
//                peer_authentications, http_routes, reference_grants, node_states},
//                connections:[{reason, count}], refusals:[{reason, count}], edges_known,
//                edges:[{from, to, paths:[direct|mtls|proxy| plain], allowed, denied, reason,
//                first_seen, last_seen}], events_lost, findings:[{severity, reason, file, line,
//                object, message, fix}]}; edges: the kEdgesShownMax that were seen last
// /v1/config/workloads {generation, workloads:[{namespace, name, node, local, service_account,
//                identity, addresses, ready, state, reason, detail, mode, policies:[name], slot,
//                netns_cookie, capture_ports}]}
// /v1/config/services  {generation, services:[{namespace, name, addresses, implemented, detail,
//                ports:[{name, port, target, protocol, application_protocol, implemented,
//                routed_per_request, endpoints:[{address, pod, node, ready}]}]}]}
// /v1/config/routes    {generation, routes:[{service, port, clients, match, rule, route, filters,
//                backends:[{name, weight, valid}], request_timeout_ms, backend_timeout_ms,
//                summary:{backends, timeout}}]}; in order of precedence for each Service port and
//                group of clients ("all", a namespace, or "others")
// /v1/config/policies  {generation, policies:[{kind, namespace, name, action, mode, port_modes,
//                selector, rules, unreadable, file, line, selects:[pod]}]}
// /v1/why       {from, to, port, destination, path, verdict, broken, decided_by, links:[{name,
//                result, detail, fix}]}; result: ok|broken|skipped; broken: name of the first
//                broken link or ""; verdict: allowed|broken|undecided; decided_by: the node whose
//                agent alone knows what is left open, or ""
// /v1/check     {ok, checks:[{group, name, result, detail, fix}]}; result: ok|warning|error
#pragma once

#include <string>
#include <vector>

#include "admin/edges.h"
#include "admin/mesh_view.h"
#include "admin/why.h"

namespace keelson::admin {

std::string version_json(const MeshView& view);
inline constexpr size_t kEdgesShownMax = 20;
std::string status_json(const MeshView& view, const Readiness& readiness, const Edges& edges);
std::string workloads_json(const MeshView& view);
std::string services_json(const MeshView& view);
std::string routes_json(const MeshView& view);  // route_views.cpp
std::string policies_json(const MeshView& view);
std::string why_json(const WhyReport& report);
std::string checks_json(const std::vector<Check>& checks);
// {error:{code, message, next}}: the body of every answer that is not 200.
std::string error_json(Reason reason, std::string_view message, std::string_view next);

}  // namespace keelson::admin
