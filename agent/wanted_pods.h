// select_pods: which pods of this node belong into the mesh, and which may not be and why.
// Pure, any thread.
#pragma once

#include <string>
#include <vector>

#include "model/snapshot.h"
#include "pods/enrolment.h"

namespace keelson {

struct RefusedPod {
  std::string ns, name, uid;
  Reason reason = Reason::none;
  std::string detail;
};

struct PodSelection {
  std::vector<pods::WantedPod> wanted;  // by namespace and name
  std::vector<RefusedPod> refused;      // meshed by label, but cannot be
};

PodSelection select_pods(const model::Snapshot& snapshot, const std::string& node_name);

}  // namespace keelson
