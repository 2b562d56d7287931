#include "agent_state.h"

#include <unistd.h>

#include <algorithm>

#include "datapath/kernel_check.h"
#include "datapath/neighbours.h"
#include "keelson_version.h"

namespace keelson {
namespace {

admin::EnrolmentState enrolment_state(model::PodState state) {
  switch (state) {
    case model::PodState::kReady:
      return admin::EnrolmentState::kReady;
    case model::PodState::kLeaving:
      return admin::EnrolmentState::kLeaving;
    case model::PodState::kJoining:
      break;
  }
  return admin::EnrolmentState::kJoining;
}

admin::RolloutPhase rollout_phase(rollout::Phase phase) {
  switch (phase) {
    case rollout::Phase::kTighten:
      return admin::RolloutPhase::kTighten;
    case rollout::Phase::kPublish:
      return admin::RolloutPhase::kPublish;
    case rollout::Phase::kSteer:
      return admin::RolloutPhase::kSteer;
    case rollout::Phase::kRelax:
      return admin::RolloutPhase::kRelax;
    case rollout::Phase::kRetire:
      return admin::RolloutPhase::kRetire;
    case rollout::Phase::kIdle:
      break;
  }
  return admin::RolloutPhase::kIdle;
}

admin::CheckResult check_result(datapath::CheckLevel level) {
  switch (level) {
    case datapath::CheckLevel::kWarning:
      return admin::CheckResult::kWarning;
    case datapath::CheckLevel::kError:
      return admin::CheckResult::kError;
    case datapath::CheckLevel::kOk:
      break;
  }
  return admin::CheckResult::kOk;
}

}  // namespace

AgentState::AgentState(Parts parts, std::string pin_dir)
    : parts_(parts), pin_dir_(std::move(pin_dir)), started_(parts.clock.now()) {}

std::shared_ptr<const model::Snapshot> AgentState::snapshot() const {
  return parts_.reconciler.snapshot();
}

std::shared_ptr<const compile::Plan> AgentState::plan() const {
  return parts_.reconciler.plan();
}

const compile::NodeFacts& AgentState::facts() const {
  return parts_.reconciler.facts();
}

admin::LiveState AgentState::live() const {
  admin::LiveState live;
  live.version = KEELSON_VERSION;
  live.pid = ::getpid();
  live.uptime = std::chrono::duration_cast<std::chrono::seconds>(parts_.clock.now() - started_);
  live.hold_connected = parts_.hold.is_reachable();
  live.held_netns = parts_.enrolment.held();
  live.cni_repairs = parts_.pods_side.conflist_repairs();
  live.proxy = parts_.proxies.state();
  live.source = parts_.source.state();
  live.reports = parts_.status.counters();
  live.rollout = rollout_state();
  live.enrolments = enrolments();
  live.findings = parts_.store.findings();
  for (model::Finding& finding : parts_.proxies.findings())
    live.findings.push_back(std::move(finding));
  for (model::Finding& finding : parts_.source.findings())
    live.findings.push_back(std::move(finding));
  for (model::Finding& finding : parts_.status.findings())
    live.findings.push_back(std::move(finding));
  if (const auto problem = parts_.pods_side.problem())
    live.findings.push_back(
        {model::Severity::kError, problem->reason, {}, "", problem->message(), ""});
  if (const auto& error = parts_.reconciler.error())
    live.findings.push_back({model::Severity::kError, error->reason, {}, "", error->message(), ""});
  if (const auto counts = parts_.counters.read())
    for (const auto& [reason, count] : *counts) live.counters[static_cast<size_t>(reason)] = count;
  live.counters[static_cast<size_t>(Reason::connections_cut)] +=
      parts_.reconciler.connections_cut();
  live.events_lost = live.counters[static_cast<size_t>(Reason::events_lost)];
  return live;
}

std::vector<admin::Enrolment> AgentState::enrolments() const {
  std::vector<admin::Enrolment> list;
  const auto problems = parts_.enrolment.problems();
  for (const auto& pod : parts_.reconciler.selected()) {
    const auto problem = std::find_if(problems.begin(), problems.end(),
                                      [&](const auto& each) { return each.uid == pod.uid; });
    admin::Enrolment enrolment;
    const size_t slash = pod.name.find('/');
    enrolment.ns = pod.name.substr(0, slash);
    enrolment.name = pod.name.substr(slash + 1);
    enrolment.uid = pod.uid;
    enrolment.state = enrolment_state(parts_.reconciler.state_of(pod.uid));
    if (problem != problems.end()) {
      enrolment.reason = problem->error.reason;
      enrolment.detail = problem->error.message();
      if (enrolment.state != admin::EnrolmentState::kReady)
        enrolment.state = admin::EnrolmentState::kRefused;
    }
    list.push_back(std::move(enrolment));
  }
  for (const RefusedPod& pod : parts_.reconciler.refused())
    list.push_back(
        {pod.ns, pod.name, pod.uid, admin::EnrolmentState::kRefused, pod.reason, pod.detail});
  return list;
}

admin::RolloutState AgentState::rollout_state() const {
  const rollout::Rollout& rollout = parts_.rollout;
  admin::RolloutState state;
  state.phase = rollout_phase(rollout.phase());
  state.applied_generation = rollout.applied_generation();
  if (rollout.waiting_for() != 0)
    state.waiting_for = "the proxy acknowledges the new configuration";
  state.map_writes = rollout.writes();
  state.map_write_failures = rollout.write_failures();
  return state;
}

std::vector<datapath::KernelCheck> AgentState::neighbours() const {
  const auto programs = datapath::programs_at_root();
  const auto links = parts_.kernel.links();
  if (!programs || !links) return {};  // what keeps us from reading shows in the checks before it
  std::vector<uint32_t> ours;
  for (const auto& link : *links) ours.push_back(link.program_id);
  return datapath::judge_neighbours(*programs, ours);
}

status::ReportView AgentState::report_view() const {
  using State = status::SeenPod::State;
  status::ReportView view{
      snapshot(), plan(), parts_.store.refused_routes().all(), {}, parts_.readiness.is_ready()};
  for (const admin::Enrolment& each : enrolments()) {
    State state = State::kJoining;
    if (each.state == admin::EnrolmentState::kReady) state = State::kReady;
    if (each.state == admin::EnrolmentState::kLeaving) state = State::kLeaving;
    if (each.state == admin::EnrolmentState::kRefused) state = State::kRefused;
    view.pods.push_back({each.ns, each.name, each.uid, state, each.reason, each.detail,
                         parts_.enrolment.repairs_of(each.uid)});
  }
  return view;
}

std::vector<admin::Check> AgentState::checks() const {
  std::vector<admin::Check> checks;
  for (const auto& check : datapath::check_kernel(pin_dir_))
    checks.push_back({"kernel", check.name, check_result(check.level), check.text, check.hint});
  for (const auto& check : neighbours())
    checks.push_back({"node", check.name, check_result(check.level), check.text, check.hint});
  for (const auto& task : parts_.readiness.tasks())
    checks.push_back({"agent", task.name,
                      task.done ? admin::CheckResult::kOk : admin::CheckResult::kError, task.detail,
                      ""});
  return checks;
}

}  // namespace keelson
