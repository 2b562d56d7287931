// tc_filter: the source check's program at an interface's ingress: a tcx link where the kernel has
// them, else a filter of the clsact qdisc. Free functions in the namespace of the calling thread.
// Pinning and bookkeeping are the Loader's.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"

namespace keelson::datapath {

bool kernel_has_tcx(int program);
// A link fd that runs first at the interface's ingress, or -1 and errno.
int create_tcx_link(int program, uint32_t ifindex);

Result<void> attach_clsact(int program, uint32_t ifindex);  // replaces our own filter
Result<void> detach_clsact(uint32_t ifindex);               // nothing there is no error
bool clsact_attached(uint32_t ifindex);
std::optional<uint32_t> clsact_program(uint32_t ifindex);  // id of the program in our filter

}  // namespace keelson::datapath
