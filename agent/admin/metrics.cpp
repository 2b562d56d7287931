#include "admin/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

namespace keelson::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  void begin(std::string name, std::string help, MetricType type) {
    families_.push_back(MetricFamily{std::move(name), std::move(help), type, {}});
  }
  void add(Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (families_.back().type == MetricType::Counter)
      metric.counter.value = value;
    else
      metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void one(std::string name, std::string help, MetricType type, double value) {
    begin(std::move(name), std::move(help), type);
    add({}, value);
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

// reason.def: 1-49 let pass, 50-99 refused in the kernel.
void add_reasons(Families& out, const ReasonCounters& counters, int first, int last) {
  for (const auto& info : kReasons) {
    const int number = static_cast<int>(info.reason);
    if (number < first || number > last) continue;
    out.add({{"reason", std::string(info.name)}},
            static_cast<double>(counters[static_cast<size_t>(number)]));
  }
}

void add_datapath(Families& out, const LiveState& live) {
  const auto counter = [&](Reason reason) {
    return static_cast<double>(live.counters[static_cast<size_t>(reason)]);
  };
  out.begin("keelson_datapath_connections_total",
            "Connections that the kernel programs let pass, by the path they took.",
            MetricType::Counter);
  add_reasons(out, live.counters, 1, 49);
  out.begin("keelson_datapath_refusals_total",
            "Refusals of the kernel programs; at the lookup hook one per packet.",
            MetricType::Counter);
  add_reasons(out, live.counters, 50, 99);
  out.one("keelson_datapath_connections_cut_total",
          "Established connections cut by a policy change.", MetricType::Counter,
          counter(Reason::connections_cut));
  out.one("keelson_datapath_late_packets_total",
          "Packets of connections that had just ended; refused, and no refusals.",
          MetricType::Counter, counter(Reason::late_packet));
}

void add_proxy(Families& out, const ProxyCounters& proxy) {
  const auto number = [](uint64_t value) { return static_cast<double>(value); };
  out.one("keelson_proxy_connections_active", "Connections that the proxy carries now.",
          MetricType::Gauge, number(proxy.connections_active));
  out.one("keelson_proxy_tunnels_active", "HBONE tunnels that end at this node's pods now.",
          MetricType::Gauge, number(proxy.tunnels_active));
  out.one("keelson_proxy_connections_total", "Connections that the proxy accepted.",
          MetricType::Counter, number(proxy.connections_total));
  out.one("keelson_proxy_handshakes_total", "TLS handshakes that the proxy finished.",
          MetricType::Counter, number(proxy.handshakes_total));
  out.begin("keelson_proxy_bytes_total", "Bytes carried, by direction.", MetricType::Counter);
  out.add({{"direction", "sent"}}, number(proxy.bytes_sent_total));
  out.add({{"direction", "received"}}, number(proxy.bytes_received_total));
  out.begin("keelson_proxy_outcomes_total", "How proxied connections ended, by reason.",
            MetricType::Counter);
  for (const auto& [reason, count] : proxy.reasons)
    if (is_outcome(reason)) out.add({{"reason", std::string(reason_name(reason))}}, number(count));
  out.begin("keelson_proxy_accounts_total", "What the proxy did on the way, by reason.",
            MetricType::Counter);
  for (const auto& [reason, count] : proxy.reasons)
    if (!is_outcome(reason)) out.add({{"reason", std::string(reason_name(reason))}}, number(count));
}

void add_rollout(Families& out, const MetricsInput& input) {
  const RolloutState& rollout = input.live.rollout;
  out.begin("keelson_agent_generation",
            "Configuration generation: read from the source, compiled, and whole in the kernel.",
            MetricType::Gauge);
  out.add({{"stage", "snapshot"}}, static_cast<double>(input.snapshot_generation));
  out.add({{"stage", "plan"}}, static_cast<double>(input.plan.generation));
  out.add({{"stage", "applied"}}, static_cast<double>(rollout.applied_generation));
  out.begin("keelson_agent_rollout_phase", "1 for the rollout's current phase, 0 for the others.",
            MetricType::Gauge);
  for (int phase = 0; phase < kRolloutPhases; ++phase) {
    const auto value = static_cast<RolloutPhase>(phase);
    out.add({{"phase", std::string(rollout_phase_name(value))}}, value == rollout.phase ? 1 : 0);
  }
  out.one("keelson_agent_map_writes_total", "Rows of kernel maps put or erased.",
          MetricType::Counter, static_cast<double>(rollout.map_writes));
  out.one("keelson_agent_map_write_failures_total",
          "Rows of kernel maps that could not be written.", MetricType::Counter,
          static_cast<double>(rollout.map_write_failures));
}

void add_findings(Families& out, const MetricsInput& input) {
  std::array<int, 3> count{};
  for (const auto* findings : {&input.plan.findings, &input.live.findings})
    for (const auto& finding : *findings) ++count.at(static_cast<size_t>(finding.severity));
  out.begin("keelson_agent_findings", "What is wrong with the configuration now, by severity.",
            MetricType::Gauge);
  out.add({{"severity", "info"}}, count[0]);
  out.add({{"severity", "warning"}}, count[1]);
  out.add({{"severity", "error"}}, count[2]);
}

void add_identities(Families& out, const IdentityCounters& identities) {
  const auto count = [](uint64_t value) { return static_cast<double>(value); };
  out.begin("keelson_agent_identities", "Service accounts of this node by their certificate.",
            MetricType::Gauge);
  out.add({{"state", "wanted"}}, count(identities.wanted));
  out.add({{"state", "usable"}}, count(identities.usable));
  out.add({{"state", "expired"}}, count(identities.expired));
  out.one("keelson_agent_certificates_issued_total", "Certificates that a CA gave this node.",
          MetricType::Counter, count(identities.issued_total));
  out.one("keelson_agent_certificate_failures_total", "Attempts that gave no certificate.",
          MetricType::Counter, count(identities.failures_total));
  out.one("keelson_agent_certificates_expired_total",
          "Certificates that expired before they could be renewed.", MetricType::Counter,
          count(identities.expired_total));
  out.begin("keelson_agent_ca_requests_total", "Requests to keelson-ca, by what came of them.",
            MetricType::Counter);
  out.add({{"result", "issued"}}, count(identities.ca_issued_total));
  out.add({{"result", "refused"}}, count(identities.ca_refused_total));
  out.add({{"result", "unreachable"}}, count(identities.ca_unreachable_total));
  out.add({{"result", "bad_answer"}}, count(identities.ca_bad_answers_total));
}

// Every reason for which following the API server can fail.
constexpr auto kSourceReasons = std::to_array<Reason>(
    {Reason::cannot_reach, Reason::http_truncated, Reason::tls_handshake_failed,
     Reason::certificate_untrusted, Reason::server_silent, Reason::server_answer_too_large,
     Reason::credentials_unusable, Reason::api_unauthorized, Reason::api_forbidden,
     Reason::api_kind_missing, Reason::api_version_expired, Reason::api_overloaded,
     Reason::api_refused, Reason::api_answer_malformed});

void add_source_errors(Families& out, const SourceState& source) {
  std::map<Reason, uint64_t> sums;
  for (const Reason reason : kSourceReasons) sums[reason] = 0;
  for (const SourceKind& kind : source.kinds)
    for (const auto& [reason, count] : kind.errors) sums[reason] += count;
  out.begin("keelson_agent_source_errors_total",
            "Calls to the API server that failed or were refused, by reason.", MetricType::Counter);
  for (const auto& [reason, sum] : sums)
    out.add({{"reason", std::string(reason_name(reason))}}, static_cast<double>(sum));
}

void add_source(Families& out, const SourceState& source) {
  const auto each = [&](const char* name, const char* help, MetricType type, auto value) {
    out.begin(name, help, type);
    for (const SourceKind& kind : source.kinds)
      out.add({{"kind", kind.kind}}, static_cast<double>(value(kind)));
  };
  if (source.kinds.empty()) return;  // a folder
  out.one("keelson_agent_source_reachable", "1 while the API server answers.", MetricType::Gauge,
          source.is_reachable ? 1 : 0);
  each("keelson_agent_source_objects", "Objects known from the API server.", MetricType::Gauge,
       [](const SourceKind& kind) { return kind.objects; });
  each("keelson_agent_source_watching", "1 while the kind's watch is open.", MetricType::Gauge,
       [](const SourceKind& kind) { return kind.is_watching ? 1 : 0; });
  each("keelson_agent_source_silence_seconds",
       "Time since the API server's last word about the kind.", MetricType::Gauge,
       [](const SourceKind& kind) { return static_cast<double>(kind.silence.count()) / 1000; });
  each("keelson_agent_source_relists_total", "Lists after the first.", MetricType::Counter,
       [](const SourceKind& kind) { return kind.relists; });
  each("keelson_agent_source_watch_restarts_total", "Watches that ended and were opened again.",
       MetricType::Counter, [](const SourceKind& kind) { return kind.watch_restarts; });
  add_source_errors(out, source);
}

void add_pods(Families& out, const LiveState& live) {
  const auto in_state = [&](EnrolmentState state) {
    return static_cast<double>(
        std::count_if(live.enrolments.begin(), live.enrolments.end(),
                      [&](const Enrolment& enrolment) { return enrolment.state == state; }));
  };
  out.one("keelson_agent_enrolled_pods", "Pods of this node whose connections are meshed.",
          MetricType::Gauge, in_state(EnrolmentState::kReady));
  out.one("keelson_agent_refused_pods", "Pods of this node that ask for the mesh and cannot join.",
          MetricType::Gauge, in_state(EnrolmentState::kRefused));
}

void add_reports(Families& out, const ReportCounters& reports) {
  out.one("keelson_agent_leader", "1 while this agent writes the statuses of routes.",
          MetricType::Gauge, reports.is_leader ? 1 : 0);
  out.one("keelson_agent_route_status_writes_total", "Statuses of HTTPRoutes that were written.",
          MetricType::Counter, static_cast<double>(reports.route_statuses_total));
  out.begin("keelson_agent_kubernetes_events_total",
            "Events about pods and namespaces; dropped: too many, or refused by the API server.",
            MetricType::Counter);
  out.add({{"result", "written"}}, static_cast<double>(reports.events_written_total));
  out.add({{"result", "dropped"}}, static_cast<double>(reports.events_dropped_total));
}

}  // namespace

std::string metrics_text(const MetricsInput& input) {
  const LiveState& live = input.live;
  Families out;
  out.begin("keelson_agent_build_info", "1; the labels say which build runs.", MetricType::Gauge);
  out.add({{"version", live.version}, {"commit", live.build}}, 1);
  out.one("keelson_agent_uptime_seconds", "Seconds since the agent started.", MetricType::Gauge,
          static_cast<double>(live.uptime.count()));
  out.one("keelson_agent_ready", "1 when every start-up task is done.", MetricType::Gauge,
          input.readiness.is_ready() ? 1 : 0);
  out.one("keelson_agent_hold_connected", "1 while keelson-hold answers.", MetricType::Gauge,
          live.hold_connected ? 1 : 0);
  out.one("keelson_agent_proxy_connected", "1 while the L7 proxy is connected.", MetricType::Gauge,
          live.proxy.connected ? 1 : 0);
  out.one("keelson_held_netns", "Network namespaces of pods that keelson-hold keeps open.",
          MetricType::Gauge, static_cast<double>(live.held_netns));
  out.one("keelson_cni_config_repairs_total",
          "Times that somebody else changed or removed the node's Keelson CNI configuration.",
          MetricType::Counter, static_cast<double>(live.cni_repairs));
  add_rollout(out, input);
  add_findings(out, input);
  add_pods(out, live);
  add_source(out, live.source);
  add_reports(out, live.reports);
  out.begin("keelson_agent_events_lost_total",
            "Flow events lost: the kernel's ring buffer was full, or a reader was too slow.",
            MetricType::Counter);
  out.add({{"where", "kernel"}}, static_cast<double>(live.events_lost));
  out.add({{"where", "reader"}}, static_cast<double>(input.slow_reader_lost));
  add_datapath(out, live);
  add_proxy(out, live.proxy.counters);
  out.one("keelson_proxy_streams_lost_total",
          "Streams that proxies carried when they ended without a goodbye; all were reset.",
          MetricType::Counter, static_cast<double>(live.proxy.streams_lost_total));
  add_identities(out, live.proxy.identities);
  return out.text();
}

}  // namespace keelson::admin
