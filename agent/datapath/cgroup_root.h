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

}  // namespace keelson::datapath
