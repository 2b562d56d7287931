#include "status/reports.h"

#include <algorithm>
#include <utility>

namespace keelson::status {
namespace {

// A burst of changes is one look.
constexpr std::chrono::milliseconds kLookDelay{200};
constexpr const char* kLeaseName = "keelson-status";

// Of what the server said; that it is away is the source's to tell.
void add_finding(std::vector<model::Finding>& findings, const std::optional<Error>& error,
                 const char* kind, const std::string& name, const char* what, const char* fix) {
  if (!error || error->source != ErrorSource::kKube) return;
  model::Finding& finding = findings.emplace_back();
  finding.severity = model::Severity::kWarning;
  finding.reason = error->reason;
  finding.object = kind;
  if (!name.empty()) finding.object += " " + name;
  finding.message = what;
  finding.message += ": " + error->message();
  finding.fix = fix;
}

}  // namespace

Reports::Reports(const std::string& node_name, const std::string& ns, Seams seams)
    : seams_(std::move(seams)),
      node_name_(node_name),
      leadership_(ns, kLeaseName, node_name,
                  {seams_.client, seams_.clock, seams_.random, [this] { return agents_; },
                   [this] { seams_.on_schedule(); }}),
      routes_({seams_.client, seams_.clock, seams_.random,
               [this] { return leadership_.is_leader(); }, [this] { seams_.on_schedule(); }}),
      taint_(node_name,
             {seams_.client, seams_.clock, seams_.random, [this] { seams_.on_schedule(); }}),
      events_(node_name,
              {seams_.client, seams_.clock, seams_.random, [this] { seams_.on_schedule(); }}) {}

void Reports::start(const model::NodeState* before) {
  if (std::exchange(has_started_, true)) return;
  std::set<std::string> known;
  if (before != nullptr)
    for (const auto& pod : before->pods)
      if (pod.state != model::PodState::kJoining) known.insert(pod.uid);
  pod_events_.start(std::move(known));
  leadership_.start();
}

void Reports::note_change() {
  if (!has_started_ || look_at_) return;
  look_at_ = seams_.clock.now() + kLookDelay;
  seams_.on_schedule();
}

void Reports::look() {
  look_at_.reset();
  const ReportView view = seams_.view();
  agents_ = std::max<size_t>(view.snapshot->node_states.size(), 1);
  taint_.set_ready(view.is_ready);
  for (const Event& event : pod_events_.look(view.pods, seams_.clock.now())) events_.add(event);
  const bool leads = leadership_.is_leader();
  for (const Event& event : namespace_events_.look(*view.snapshot))
    if (leads) events_.add(event);
  // A plan of an older generation is about other versions of the routes.
  if (leads && view.plan->generation == view.snapshot->generation)
    routes_.want(route_statuses(*view.snapshot, *view.plan, view.refused_routes));
}

std::optional<MonotonicTime> Reports::next_wake() const {
  std::optional<MonotonicTime> next = look_at_;
  for (const auto& due : {pod_events_.next_look(), leadership_.next_wake(), routes_.next_wake(),
                          taint_.next_wake(), events_.next_wake()})
    if (due && (!next || *due < *next)) next = due;
  return next;
}

void Reports::wake() {
  // A new leader has to be told what is wanted: what it knew of routes is of an earlier time.
  if (leadership_.is_leader() != led_) {
    led_ = !led_;
    note_change();
  }
  const MonotonicTime now = seams_.clock.now();
  const auto again = pod_events_.next_look();
  if ((look_at_ && *look_at_ <= now) || (again && *again <= now)) look();
  leadership_.wake();
  routes_.wake();
  taint_.wake();
  events_.wake();
}

std::vector<model::Finding> Reports::findings() const {
  std::vector<model::Finding> findings;
  add_finding(
      findings, leadership_.error(), "Lease", kLeaseName,
      "perhaps no agent writes the statuses of routes",
      "check that it is there and that the agent may get and update it; helm upgrade makes it "
      "again");
  add_finding(findings, routes_.error(), "HTTPRoute", "", "statuses of routes are not up to date",
              "check that the agent may get httproutes and patch httproutes/status");
  add_finding(findings, taint_.error(), "Node", node_name_,
              "the start-up taint may still be on this node",
              "check that the agent may get and patch its node, and that --node is its name");
  add_finding(findings, events_.error(), "Event", "", "events about pods are not written",
              "check that the agent may create and patch events of events.k8s.io");
  return findings;
}

}  // namespace keelson::status
