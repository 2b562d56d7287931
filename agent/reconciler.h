// Reconciler: drives one way from a snapshot to the kernel: select pods -> enrol -> compile ->
// rollout -> cut -> tell the other nodes (NodeState). Called whenever something it depends on
// changed; calling it again changes nothing. Agent loop only. Owns the compiled state; the steps
// themselves are the parts' business.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "compile/compile.h"
#include "cutting.h"
#include "model/snapshot.h"
#include "pods/enrolment.h"
#include "rollout/rollout.h"
#include "status/node_state_writer.h"
#include "wanted_pods.h"

namespace keelson {

class Reconciler {
 public:
  struct Parts {
    const Clock& clock;
    pods::Enrolment& enrolment;
    rollout::Rollout& rollout;
    status::NodeStateWriter& node_state;
    Cutting& cutting;
    const pods::Sandboxes& sandboxes;
    // After each compile, before its rollout.
    std::function<void(const compile::Plan&)> on_compiled;
    // Whether the pod's service account has a certificate to serve with. Without one a pod does not
    // join: others would call it by mTLS, and the proxy has nothing to answer with.
    std::function<bool(const model::Pod&)> has_identity;
  };
  // `facts`: node name, cookie, trust domain, root namespace; pods are filled in here.
  Reconciler(Parts parts, compile::NodeFacts facts);

  void reconcile(std::shared_ptr<const model::Snapshot> snapshot);
  // With the last snapshot: after a retry, a self-check, an acknowledgement.
  void reconcile() { reconcile(snapshot_); }

  const std::shared_ptr<const model::Snapshot>& snapshot() const noexcept { return snapshot_; }
  const std::shared_ptr<const compile::Plan>& plan() const noexcept { return plan_; }
  const compile::NodeFacts& facts() const noexcept { return facts_; }
  const std::vector<RefusedPod>& refused() const noexcept { return refused_; }
  // Pods of this node that are in the mesh, join or leave it.
  const std::vector<pods::WantedPod>& selected() const noexcept { return selected_; }
  model::PodState state_of(const std::string& uid) const;  // of a selected or leaving pod
  const std::optional<Error>& error() const noexcept { return error_; }  // of the last run
  uint64_t connections_cut() const noexcept { return connections_cut_; }
  bool has_applied() const noexcept { return has_applied_; }
  // No pod of this node is in the mesh or on its way in or out, and the kernel says the same.
  bool has_nobody() const;
  // When it wants to be called again without a change; nothing: not.
  std::optional<MonotonicTime> next_run() const;

 private:
  struct Leaving {
    pods::WantedPod pod;
    // When it is announced at the latest; sooner, once its row lets in what is sent in the clear.
    MonotonicTime announce_at;
    // Serves until then, so that the other nodes can stop sending to it; nothing: not announced.
    std::optional<MonotonicTime> until;
  };
  // Has left the kernel or is about to; the proxy serves what was captured before.
  struct Lingering {
    std::string netns_path;
    std::optional<MonotonicTime> until;  // nothing: its rows are still there
  };

  void select(std::vector<pods::WantedPod> wanted);
  void announce(Leaving& leaving);
  void apply_until_settled();
  bool apply();
  bool has_identity(const std::string& uid) const;
  void note_declared(std::vector<compile::LocalPod>& pods) const;
  bool lingers(const std::string& uid);
  void write_node_state();
  void note_error(Error error);

  Parts parts_;
  compile::NodeFacts facts_;
  compile::Compiler compiler_;
  std::shared_ptr<const model::Snapshot> snapshot_;
  std::shared_ptr<const compile::Plan> plan_;
  std::vector<pods::WantedPod> wanted_;         // of the last run
  std::vector<pods::WantedPod> selected_;       // wanted and leaving
  std::map<std::string, Leaving> leaving_;      // by uid
  std::map<std::string, Lingering> lingering_;  // by uid
  std::vector<RefusedPod> refused_;
  std::optional<Error> error_;
  std::string logged_error_;  // of this row of failures
  uint64_t connections_cut_ = 0;
  bool has_applied_ = false;
};

}  // namespace keelson
