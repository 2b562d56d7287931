// Retirement: how an agent takes its node out of the mesh for good, when the release that it is of
// is uninstalled: what the reconciler is shown meanwhile, and when what comes next. It is asked for
// by kUninstallAnnotation on the agent's own service account, with the uid of its own DaemonSet,
// which the agent knows from its own Pod. All nodes are asked at once, and learn of it at slightly
// different times: first nobody refuses anybody any more, then the pods leave, so that no node
// still refuses those whose identity is gone already. There is no way back but a new pod of the
// agent. Decides only; App acts. Asks the time, never waits. Agent loop only.
//
//   phase      the reconciler is shown       ends
//   kServing   everything                    when it is asked
//   kOpening   no policies                   after kOpenTime
//   kLeaving   no policies, nobody meshed    may_clear(): all pods are out, or kPatience is over
//   kCleared   nothing, it is not called     never; told: the others know
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "model/snapshot.h"

namespace keelson {

// The uid of the DaemonSet of the Pod with this uid, when the pod's service account says that it
// shall leave its nodes; else empty. Pure.
std::string uninstalled_daemon_set(const model::Snapshot& snapshot, const std::string& pod_uid);

// The same cluster without what could refuse anybody; and with nobody in the mesh either. Pure.
std::shared_ptr<const model::Snapshot> without_policies(const model::Snapshot& snapshot);
std::shared_ptr<const model::Snapshot> without_members(const model::Snapshot& snapshot);

class Retirement {
 public:
  enum class Phase { kServing, kOpening, kLeaving, kCleared };

  // Longer than the news takes to reach every node.
  static constexpr std::chrono::seconds kOpenTime{2};
  // From the asking on. Then what is still in the mesh (hold or the runtime does not answer) is
  // taken out without the others being told.
  static constexpr std::chrono::seconds kPatience{30};

  // `pod_uid`: of the agent's own Pod; empty: it is none, and never retires.
  Retirement(const Clock& clock, std::string pod_uid)
      : clock_(clock), pod_uid_(std::move(pod_uid)) {}

  // With the newest objects, and when next_look() has come.
  void look(std::shared_ptr<const model::Snapshot> snapshot);
  // For the reconciler; not when kCleared.
  const std::shared_ptr<const model::Snapshot>& view() const noexcept { return view_; }

  Phase phase() const noexcept { return phase_; }
  bool is_asked() const noexcept { return phase_ != Phase::kServing; }
  bool is_cleared() const noexcept { return phase_ == Phase::kCleared; }
  // The value for kRetiredAnnotation.
  const std::string& daemon_set() const noexcept { return daemon_set_; }

  // `is_out`: no pod of this node is in the mesh any more, and that is applied.
  bool may_clear(bool is_out) const noexcept;
  // Nothing of Keelson is left in the kernel and on the disk of this node.
  void on_cleared() noexcept { phase_ = Phase::kCleared; }
  // Nothing: only news of the objects matters.
  std::optional<MonotonicTime> next_look() const noexcept;

 private:
  const Clock& clock_;
  const std::string pod_uid_;
  std::string daemon_set_;
  MonotonicTime asked_at_;
  Phase phase_ = Phase::kServing;
  std::shared_ptr<const model::Snapshot> seen_, view_;
};

}  // namespace keelson
