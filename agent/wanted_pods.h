// select_pods: which pods of this node belong into the mesh, and which may not be and why. Network
// namespaces and addresses are those of the pod's sandbox, which knows them first; the Pod object
// has them where there is no runtime (directory source) or none told any. Pure, any thread.
#pragma once

#include <string>
#include <vector>

#include "model/snapshot.h"
#include "pods/enrolment.h"
#include "pods/sandboxes.h"

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

PodSelection select_pods(const model::Snapshot& snapshot, const std::string& node_name,
                         const pods::Sandboxes& sandboxes);

// The uid by which the node knows the pod: of a static pod the hash of its manifest, not the uid of
// its mirror object.
const std::string& runtime_uid(const model::Pod& pod);

}  // namespace keelson
