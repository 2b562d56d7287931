// find_cgroup2_root: where the cgroup v2 hierarchy is mounted, from the text of
// /proc/self/mountinfo (proc(5)): /sys/fs/cgroup, on hybrid hosts /sys/fs/cgroup/unified, or
// wherever the chart mounted the host's. Pure, any thread.
//
// A container has a cgroup namespace of its own where the host has cgroup v2 alone: the container's
// own mount then shows "/" and the host's "/../../..", as seen from there (cgroup_namespaces(7)).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::datapath {

// Of several mounts, the first of those that reach highest above the reader's own cgroup.
// kernel_feature_missing when there is none.
Result<std::string> find_cgroup2_root(std::string_view mountinfo);

// Whether what find_cgroup2_root() finds is no more than the reader's own cgroup: no mount reaches
// above its cgroup namespace, and it sits at the root of that (`self_cgroup`: /proc/self/cgroup).
// Pods would be outside. A node that is itself a container has another root than the kernel's, and
// its agents still sit below it.
bool sees_only_itself(std::string_view mountinfo, std::string_view self_cgroup);

}  // namespace keelson::datapath
