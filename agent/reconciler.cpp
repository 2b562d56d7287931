#include "reconciler.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace keelson {
namespace {

// Other agents read a changed NodeState within milliseconds; a busy one may take longer.
constexpr std::chrono::milliseconds kLeaveDelay{1500};
// The proxy may be slow to take what a leaving pod's row waits for, or be away.
constexpr std::chrono::seconds kAnnounceDelayMax{1};
// What was captured before a pod's rows went has to be accepted and carried by the proxy, which
// serves the pod as long as its hooks are there.
constexpr std::chrono::seconds kLingerDelay{1};
constexpr std::chrono::seconds kErrorRetryDelay{1};

bool has_pod_row(const compile::Rows& rows, uint64_t netns_cookie) {
  return rows.contains({compile::MapId::kPod, compile::bytes_of(netns_cookie)});
}

}  // namespace

Reconciler::Reconciler(Parts parts, compile::NodeFacts facts)
    : parts_(parts),
      facts_(std::move(facts)),
      snapshot_(std::make_shared<const model::Snapshot>()),
      plan_(std::make_shared<const compile::Plan>()) {}

void Reconciler::reconcile(std::shared_ptr<const model::Snapshot> snapshot) {
  snapshot_ = std::move(snapshot);
  if (!error_) logged_error_.clear();
  error_.reset();
  PodSelection selection = select_pods(*snapshot_, facts_.node_name, parts_.sandboxes);
  refused_ = std::move(selection.refused);
  select(std::move(selection.wanted));
  parts_.enrolment.reconcile(selected_);
  parts_.enrolment.retry();
  // Applying now would take pods out of the mesh that are in it and could not be asked about.
  if (!parts_.enrolment.is_ready_to_apply()) {
    note_error({Reason::hold_unreachable, ErrorSource::kInternal, true, 0,
                "pods of an earlier agent are in the kernel, and keelson-hold or the container "
                "runtime has not told yet which"});
    return;
  }
  // Also what an earlier agent enrolled serves already: to announce it as joining, if only until
  // the rows are applied again, would make other nodes send to it in the clear.
  facts_.pods = parts_.enrolment.pods();
  write_node_state();  // pods that are gone are withdrawn before their rows go
  apply_until_settled();
  write_node_state();  // ready and leaving pods are announced after their rows are there
}

// A pod that is not selected any more but still there serves for a while as `leaving`.
void Reconciler::select(std::vector<pods::WantedPod> wanted) {
  const auto is_selected = [&](const std::string& uid) {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](const auto& pod) { return pod.uid == uid; });
  };
  // One whose sandbox has ended is gone at once: its addresses may soon be another pod's.
  const auto still_exists = [&](const std::string& uid, const std::string& netns_path) {
    return std::any_of(snapshot_->pods.begin(), snapshot_->pods.end(), [&](const auto& entry) {
      const model::Pod& pod = *entry.second;
      if (pod.meta.uid != uid || pod.terminal) return false;
      const pods::Sandbox* sandbox = parts_.sandboxes.of_pod(runtime_uid(pod));
      return (!netns_path.empty() && pod.netns_path == netns_path) ||
             (sandbox != nullptr && sandbox->netns_path == netns_path);
    });
  };
  const MonotonicTime now = parts_.clock.now();
  for (const pods::WantedPod& pod : wanted_)
    if (!is_selected(pod.uid))
      leaving_.try_emplace(pod.uid, Leaving{pod, now + kAnnounceDelayMax, {}});
  const auto is_over = [&](const Leaving& leaving) {
    return leaving.until && *leaving.until <= now;
  };
  for (auto& [uid, leaving] : leaving_) {
    if (is_selected(uid) && leaving.until) parts_.enrolment.begin_grace(uid);
    if (leaving.announce_at <= now) announce(leaving);
    if (is_over(leaving)) lingering_.try_emplace(uid, Lingering{leaving.pod.netns_path, {}});
  }
  std::erase_if(leaving_, [&](const auto& entry) {
    const auto& [uid, leaving] = entry;
    return is_selected(uid) || is_over(leaving) || !still_exists(uid, leaving.pod.netns_path);
  });
  std::erase_if(lingering_, [&](const auto& entry) {
    const auto& [uid, lingering] = entry;
    return is_selected(uid) || (lingering.until && *lingering.until <= now) ||
           !still_exists(uid, lingering.netns_path);
  });
  wanted_ = std::move(wanted);
  selected_ = wanted_;
  for (const auto& [uid, leaving] : leaving_) selected_.push_back(leaving.pod);
}

void Reconciler::announce(Leaving& leaving) {
  if (!leaving.until) leaving.until = parts_.clock.now() + kLeaveDelay;
}

// A pod joins in two rounds: its addresses are made passable, then its hooks are attached, then its
// rows are written; it leaves the same way backwards.
void Reconciler::apply_until_settled() {
  bool moved = true;
  while (moved && apply()) {
    const compile::Rows& rows = parts_.rollout.applied();
    moved = parts_.enrolment.attach_opened(
        rows, [this](const std::string& uid) { return has_identity(uid); });
    moved |= parts_.enrolment.release_retired([&](const compile::LocalPod& pod) {
      return !has_pod_row(rows, pod.netns_cookie) && !lingers(pod.uid);
    });
  }
}

// From the moment on that its rows are gone.
bool Reconciler::lingers(const std::string& uid) {
  const auto found = lingering_.find(uid);
  if (found == lingering_.end()) return false;
  const MonotonicTime now = parts_.clock.now();
  if (!found->second.until) found->second.until = now + kLingerDelay;
  return now < *found->second.until;
}

bool Reconciler::has_identity(const std::string& uid) const {
  const auto pod = std::find_if(snapshot_->pods.begin(), snapshot_->pods.end(),
                                [&](const auto& entry) { return entry.second->meta.uid == uid; });
  return pod != snapshot_->pods.end() && parts_.has_identity(*pod->second);
}

void Reconciler::note_declared(std::vector<compile::LocalPod>& pods) const {
  std::map<std::string_view, const pods::WantedPod*> by_uid;
  for (const pods::WantedPod& pod : selected_) by_uid[pod.uid] = &pod;
  for (compile::LocalPod& pod : pods)
    if (const auto found = by_uid.find(pod.uid); found != by_uid.end())
      pod.declared = found->second->addresses;
}

bool Reconciler::apply() {
  facts_.pods = parts_.enrolment.pods();
  for (compile::LocalPod& pod : facts_.pods) pod.is_leaving = leaving_.contains(pod.uid);
  facts_.open_pods = parts_.enrolment.open_pods();
  note_declared(facts_.pods);
  note_declared(facts_.open_pods);
  plan_ = std::make_shared<const compile::Plan>(compiler_.compile(*snapshot_, facts_));
  parts_.on_compiled(*plan_);
  const auto applied = parts_.rollout.apply(plan_);
  if (!applied) {
    note_error(applied.error());
    return false;
  }
  if (*applied > 0)
    spdlog::info("component=rollout generation={} writes={}", plan_->generation, *applied);
  if (parts_.rollout.phase() != rollout::Phase::kIdle) return false;  // waits for the proxy
  has_applied_ = true;
  for (auto& [uid, leaving] : leaving_) announce(leaving);
  const uint64_t cut =
      parts_.cutting.run(parts_.rollout.applied(), facts_,
                         [&](const std::string& uid) { return parts_.enrolment.sock_diag(uid); });
  if (cut > 0) spdlog::info("component=cutting connections={} msg=\"policy changed\"", cut);
  connections_cut_ += cut;
  return true;
}

bool Reconciler::has_nobody() const {
  const pods::Enrolment& enrolment = parts_.enrolment;
  return has_applied_ && !error_ && selected_.empty() && enrolment.is_ready_to_apply() &&
         enrolment.pods().empty() && enrolment.open_pods().empty() &&
         parts_.rollout.phase() == rollout::Phase::kIdle;
}

model::PodState Reconciler::state_of(const std::string& uid) const {
  // Not before its row is ready for it: who hears of it sends in the clear.
  if (const auto found = leaving_.find(uid); found != leaving_.end() && found->second.until)
    return model::PodState::kLeaving;
  const auto local = std::find_if(facts_.pods.begin(), facts_.pods.end(),
                                  [&](const auto& pod) { return pod.uid == uid; });
  const bool serves =
      local != facts_.pods.end() && has_pod_row(parts_.rollout.applied(), local->netns_cookie);
  return serves ? model::PodState::kReady : model::PodState::kJoining;
}

void Reconciler::write_node_state() {
  model::NodeState state;
  state.meta.key = {model::Kind::kNodeState, "", facts_.node_name};
  for (const auto& [key, pod] : snapshot_->pods) {
    const std::string& uid = pod->meta.uid;
    const auto ours = std::find_if(selected_.begin(), selected_.end(),
                                   [&](const auto& selected) { return selected.uid == uid; });
    if (ours != selected_.end())
      state.pods.push_back(
          {uid, key.ns, key.name, pod->service_account, ours->addresses, state_of(uid)});
  }
  if (auto written = parts_.node_state.write(state); !written)
    note_error(std::move(written).error());
}

void Reconciler::note_error(Error error) {
  // Tried again several times a second while hold is away: said once.
  if (logged_error_ != error.message())
    spdlog::error("component=reconciler reason={} msg=\"{}\"", reason_name(error.reason),
                  error.message());
  logged_error_ = error.message();
  if (!error_) error_ = std::move(error);
}

std::optional<MonotonicTime> Reconciler::next_run() const {
  std::optional<MonotonicTime> next = parts_.enrolment.next_retry();
  const auto sooner = [&](MonotonicTime time) { next = next ? std::min(*next, time) : time; };
  for (const auto& [uid, leaving] : leaving_) sooner(leaving.until.value_or(leaving.announce_at));
  for (const auto& [uid, lingering] : lingering_)
    if (lingering.until) sooner(*lingering.until);
  if (error_) sooner(parts_.clock.now() + kErrorRetryDelay);
  return next;
}

}  // namespace keelson
