// StatusSide: how this node tells the others of its pods: a file in the shared folder, or its
// NodeState at the API server; there also everything else that the cluster is told (Reports). With
// the timer that this needs. Only wiring, like App, which owns it. Agent loop only.
#pragma once

#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "admin/admin_state.h"
#include "base/clock.h"
#include "io/event_loop.h"
#include "io/timer.h"
#include "model/snapshot.h"
#include "rest/client.h"
#include "status/node_state_apply.h"
#include "status/node_state_file.h"
#include "status/reports.h"

namespace keelson {

class StatusSide final : public status::NodeStateWriter {
 public:
  // `folder`: empty with an API server, and for a node that stands alone.
  StatusSide(io::EventLoop& loop, const Clock& clock, std::string folder, std::string node_name);

  // From here on by the API server; the client outlives this. Before, and without it: the folder.
  // `node_uid`: of the own Node object, empty when unknown; `ns`: of the release; `view`: what
  // there is to report.
  void use(rest::Client& client, const std::string& node_uid, const std::string& ns,
           std::function<status::ReportView()> view);
  // A newer agent owns the node, and its NodeState.
  void shut();

  Result<bool> write(const model::NodeState& state) override;
  // Instead of whatever was written: this node has left for good (model::kRetiredAnnotation).
  void retire(const std::string& daemon_set);
  // The API server has what was written last.
  bool is_told() const { return !apply_ || apply_->is_current(); }
  // The source's view of the own NodeState, which somebody else may have changed.
  void compare(const model::Snapshot& snapshot);
  // What there is to report may be something else now.
  void note_change();
  admin::ReportCounters counters() const;
  // What the API server does not take, and why.
  std::vector<model::Finding> findings() const;

 private:
  void arm();

  const Clock& clock_;
  const std::string node_name_;
  std::mt19937_64 random_;
  status::NodeStateFile file_;
  std::optional<status::NodeStateApply> apply_;
  std::optional<status::Reports> reports_;
  bool is_shut_ = false;
  io::Timer timer_;
};

}  // namespace keelson
