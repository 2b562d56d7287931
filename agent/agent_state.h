// AgentState: what the agent knows, as the admin surface asks for it. Reads the parts, changes
// nothing. Agent loop only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/admin_state.h"
#include "base/clock.h"
#include "datapath/counters.h"
#include "datapath/inventory.h"
#include "datapath/kernel_check.h"
#include "link/hold_client.h"
#include "model/store.h"
#include "pods/enrolment.h"
#include "pods_side.h"
#include "proxy_side.h"
#include "reconciler.h"
#include "rollout/rollout.h"
#include "source_side.h"
#include "status_side.h"

namespace keelson {

class AgentState final : public admin::AdminState {
 public:
  struct Parts {
    const Clock& clock;
    const model::Store& store;
    const Reconciler& reconciler;
    const pods::Enrolment& enrolment;
    const rollout::Rollout& rollout;
    const datapath::Counters& counters;
    const link::Hold& hold;
    const ProxySide& proxies;
    const PodsSide& pods_side;
    const SourceSide& source;
    const StatusSide& status;
    const admin::Readiness& readiness;
    const datapath::Inventory& kernel;
  };
  AgentState(Parts parts, std::string pin_dir);

  std::shared_ptr<const model::Snapshot> snapshot() const override;
  std::shared_ptr<const compile::Plan> plan() const override;
  const compile::NodeFacts& facts() const override;
  admin::LiveState live() const override;
  const admin::Readiness& readiness() const override { return parts_.readiness; }
  std::vector<admin::Check> checks() const override;
  const datapath::Inventory& kernel() const override { return parts_.kernel; }
  // What the cluster is told.
  status::ReportView report_view() const;

 private:
  std::vector<admin::Enrolment> enrolments() const;
  admin::RolloutState rollout_state() const;
  std::vector<datapath::KernelCheck> neighbours() const;

  Parts parts_;
  std::string pin_dir_;
  MonotonicTime started_;
};

}  // namespace keelson
