#include "admin/api.h"

#include <charconv>
#include <optional>
#include <utility>

#include "admin/kernel_views.h"
#include "admin/metrics.h"
#include "admin/peer_policy.h"
#include "admin/views.h"
#include "admin/why.h"

namespace keelson::admin {
namespace {

constexpr uint64_t kLastMax = 65536;
constexpr size_t kRecentMax = 64;

Response text(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body), nullptr};
}
Response json(std::string body) {
  return {200, "application/json", body + "\n", nullptr};
}
Response problem(int status, Reason reason, std::string_view message, std::string_view next) {
  return {status, "application/json", error_json(reason, message, next) + "\n", nullptr};
}

std::string parameter(const Request& request, const std::string& name) {
  auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

// Missing: `otherwise`. Not a number, or above `limit`: nothing.
std::optional<uint64_t> number(const Request& request, const std::string& name, uint64_t otherwise,
                               uint64_t limit) {
  const std::string value = parameter(request, name);
  if (value.empty()) return otherwise;
  uint64_t parsed = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc() || end != value.data() + value.size() || parsed > limit)
    return std::nullopt;
  return parsed;
}

// Keeps what the views refer to alive while they run.
struct Look {
  explicit Look(const AdminState& state)
      : snapshot(state.snapshot()),
        plan(state.plan()),
        live(state.live()),
        view{*snapshot, *plan, state.facts(), live} {}
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;

  std::shared_ptr<const model::Snapshot> snapshot;
  std::shared_ptr<const compile::Plan> plan;
  LiveState live;
  MeshView view;
};

}  // namespace

Response Api::handle(const Request& request) {
  if (request.method != "GET")
    return problem(405, Reason::bad_usage, "only GET is answered", "keelsonctl --help");
  if (request.path == "/metrics" || request.path == "/healthz" || request.path == "/readyz")
    return handle_node(request);
  if (request.surface != Surface::kOwner)
    return problem(404, Reason::not_found, "on this port: /metrics, /healthz, /readyz",
                   "keelsonctl status");
  return handle_owner(request);
}

Response Api::handle_node(const Request& request) const {
  if (request.path == "/metrics") return metrics();
  if (request.path == "/readyz") return ready();
  return text(200, "ok\n");
}

Response Api::handle_owner(const Request& request) {
  if (request.path == "/v1/observe") return observe(request);
  if (request.path == "/v1/check") return json(checks_json(state_.checks()));
  if (request.path == "/v1/why") return why_answer(request);
  if (request.path.starts_with("/v1/bpf/")) return kernel_answer(request);
  const Look look(state_);
  if (request.path == "/v1/version") return json(version_json(look.view));
  if (request.path == "/v1/status")
    return json(status_json(look.view, state_.readiness(), flows_.edges()));
  if (request.path == "/v1/config/workloads") return json(workloads_json(look.view));
  if (request.path == "/v1/config/services") return json(services_json(look.view));
  if (request.path == "/v1/config/routes") return json(routes_json(look.view));
  if (request.path == "/v1/config/policies") return json(policies_json(look.view));
  return problem(404, Reason::not_found, "no such path: " + request.path, "keelsonctl --help");
}

Response Api::metrics() const {
  const Look look(state_);
  return {200, "text/plain; version=0.0.4; charset=utf-8",
          metrics_text({look.live, *look.plan, state_.readiness(), look.snapshot->generation,
                        flows_.slow_reader_lost()}),
          nullptr};
}

Response Api::ready() const {
  const Readiness& readiness = state_.readiness();
  std::string body = readiness.is_ready() ? "ready\n" : "not ready\n";
  for (const auto& task : readiness.tasks())
    body += (task.done ? "ok " : "missing ") + task.name +
            (task.detail.empty() ? "" : ": " + task.detail) + "\n";
  const Look look(state_);
  for (const auto* findings : {&look.live.findings, &look.plan->findings})
    for (const auto& finding : *findings)
      if (finding.severity == model::Severity::kError)
        body += "finding " + finding.where.to_string() + ": " + finding.object + ": " +
                finding.message + "\n";
  return text(readiness.is_ready() ? 200 : 503, std::move(body));
}

Response Api::why_answer(const Request& request) const {
  const auto port = number(request, "port", 0, 65535);
  const WhyQuestion question{parameter(request, "from"), parameter(request, "to"),
                             static_cast<uint16_t>(port.value_or(0))};
  if (!port || question.from.empty() || question.to.empty())
    return problem(400, Reason::bad_usage, "from and to are needed, port is 1 to 65535",
                   "keelsonctl why --help");
  const Look look(state_);
  const auto recent = flows_.between(question.from, question.to, kRecentMax);
  return json(why_json(why(look.view, question, peer_policy(look.view), recent)));
}

Response Api::kernel_answer(const Request& request) const {
  const Look look(state_);
  const datapath::Inventory& kernel = state_.kernel();
  const std::string noun = request.path.substr(std::string_view("/v1/bpf/").size());
  const auto text_of = [&]() -> Result<std::string> {
    if (noun == "maps") {
      KS_ASSIGN(const auto maps, kernel.maps());
      return maps_json(maps);
    }
    if (noun == "rows") {
      const std::string map = parameter(request, "map");
      KS_ASSIGN(const auto rows, kernel.rows(map));
      return rows_json(look.view, map, rows);
    }
    if (noun != "programs" && noun != "links")
      return fail(Reason::not_found, ErrorSource::kDownstream, "no such path: " + request.path);
    KS_ASSIGN(const auto programs, kernel.programs());
    KS_ASSIGN(const auto links, kernel.links());
    return noun == "links" ? links_json(look.view, programs, links)
                           : programs_json(programs, links);
  };
  auto answer = text_of();
  if (answer) return json(std::move(*answer));
  const bool unknown = answer.error().reason == Reason::not_found;
  return problem(unknown ? 404 : 500, answer.error().reason,
                 unknown ? answer.error().context : answer.error().message(),
                 "keelsonctl bpf maps");
}

Response Api::observe(const Request& request) {
  const std::string verdict = parameter(request, "verdict");
  const auto last = number(request, "last", 0, kLastMax);
  const std::string follow = parameter(request, "follow");
  if (!last || (!verdict.empty() && verdict != "allowed" && verdict != "denied"))
    return problem(400, Reason::bad_usage, "last is a number, verdict is allowed or denied",
                   "keelsonctl observe --help");
  FlowFilter filter{parameter(request, "from"), parameter(request, "to"),
                    parameter(request, "reason"), std::nullopt};
  if (!verdict.empty()) filter.allowed = verdict == "allowed";
  auto stream = flows_.subscribe(std::move(filter), *last, follow == "1" || follow == "true");
  if (stream == nullptr)
    return problem(503, Reason::cannot_reach, "too many readers observe already",
                   "keelsonctl observe --last 20");
  return {200, "application/x-ndjson", {}, std::move(stream)};
}

}  // namespace keelson::admin
