// find_cgroup2_root: where the cgroup v2 hierarchy is mounted, from the text of
// /proc/self/mountinfo (proc(5)): /sys/fs/cgroup, on hybrid hosts /sys/fs/cgroup/unified, or
// wherever the chart mounted the host's. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::datapath {

// Of several mounts, one that shows the hierarchy's root. kernel_feature_missing when there is
// none.
Result<std::string> find_cgroup2_root(std::string_view mountinfo);

}  // namespace keelson::datapath
