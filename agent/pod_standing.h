// pod_standing: how far a starting pod got on its way into the mesh, and what it waits for, for the
// plugin that holds its start up. Pure, any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cni/gate.h"
#include "model/snapshot.h"
#include "pods/enrolment.h"
#include "wanted_pods.h"

namespace keelson {

struct StandingView {
  const model::Snapshot& snapshot;
  const std::string& node_name;
  const std::vector<RefusedPod>& refused;
  std::vector<pods::EnrolmentProblem> problems;
  const std::optional<Error>& node_error;  // why nothing at all can be applied
  std::string rollout_waits_for;           // empty: for nothing
  std::function<model::PodState(const std::string& uid)> state_of;
  std::function<bool(const model::Pod&)> has_identity;
};

cni::Standing pod_standing(const StandingView& view, const cni::PodRef& pod);

}  // namespace keelson
