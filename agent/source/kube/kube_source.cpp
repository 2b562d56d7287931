#include "source/kube/kube_source.h"

#include <algorithm>
#include <utility>

namespace keelson::source {
namespace {

constexpr std::chrono::milliseconds kGatherTime{5};

}  // namespace

KubeSource::KubeSource(Reflector::Seams seams, std::function<void()> on_schedule)
    : clock_(seams.clock), on_schedule_(std::move(on_schedule)) {
  for (const kube::Resource& resource : kube::followed_resources())
    reflectors_.emplace_back(resource, seams, static_cast<Reflector::Sink&>(*this));
}

Result<void> KubeSource::start(OnChange on_change) {
  on_change_ = std::move(on_change);
  for (Reflector& reflector : reflectors_) reflector.start();
  return {};
}

void KubeSource::stop() {
  for (Reflector& reflector : reflectors_) reflector.stop();
  on_change_ = nullptr;
  flush_at_.reset();
  pending_.clear();
}

std::optional<MonotonicTime> KubeSource::next_wake() const {
  std::optional<MonotonicTime> next = flush_at_;
  for (const Reflector& reflector : reflectors_)
    if (const auto wake = reflector.next_wake(); wake && (!next || *wake < *next)) next = wake;
  return next;
}

void KubeSource::wake() {
  for (Reflector& reflector : reflectors_) reflector.wake();
  if (flush_at_ && clock_.now() >= *flush_at_) flush();
  on_schedule_();
}

void KubeSource::flush() {
  flush_at_.reset();
  has_delivered_ = true;
  std::vector<FileChange> changes;
  changes.reserve(pending_.size());
  for (auto& [file, change] : std::exchange(pending_, {})) changes.push_back(std::move(change));
  on_change_(std::move(changes));
}

void KubeSource::on_object(FileChange change) {
  pending_.insert_or_assign(change.file, std::move(change));
  if (!has_delivered_ || flush_at_) return;
  flush_at_ = clock_.now() + kGatherTime;
  on_schedule_();
}

void KubeSource::on_progress() {
  if (!has_delivered_ && !flush_at_ && is_listed()) flush_at_ = clock_.now();
  on_schedule_();
}

// Each kind waits by itself, after an outage for up to 45 s: the first that is answered tells the
// others.
void KubeSource::on_back() {
  for (Reflector& reflector : reflectors_) reflector.hurry();
  on_schedule_();
}

bool KubeSource::is_listed() const {
  return std::ranges::all_of(reflectors_, &Reflector::is_listed);
}

KubeState KubeSource::state() const {
  KubeState state;
  state.is_listed = has_delivered_;
  bool is_away = true;
  for (const Reflector& reflector : reflectors_) {
    ReflectorState kind = reflector.state();
    if (!kind.failing_since) {
      is_away = is_away && kind.is_missing;  // such a kind is looked for only now and then
    } else if (!state.away_since || *kind.failing_since > *state.away_since) {
      state.away_since = kind.failing_since;
      state.error = kind.error;
    }
    state.kinds.push_back(std::move(kind));
  }
  if (!is_away) state.away_since.reset();
  if (!is_away) state.error.reset();
  return state;
}

}  // namespace keelson::source
