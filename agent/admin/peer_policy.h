// peer_policy: which policy decides about a peer of a pod, on whatever node the pod runs. Asks
// compile/decide.h, so the answer is the kernel's. For a pod of another node the policies are
// compiled here as that node does it, from this node's snapshot. Pure; the view must outlive the
// returned function.
#pragma once

#include "admin/mesh_view.h"
#include "admin/why.h"

namespace keelson::admin {

Decide peer_policy(const MeshView& view);

}  // namespace keelson::admin
