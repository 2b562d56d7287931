// neighbours: BPF programs of others at the root of cgroup v2, where Keelson's connect and sock_ops
// hooks are too, and what to do about those that we know. Reading needs CAP_NET_ADMIN, names need
// CAP_SYS_ADMIN. Free functions, any thread; change nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "datapath/kernel_check.h"

namespace keelson::datapath {

struct Neighbour {
  std::string hook;  // "connect4"
  uint32_t id = 0;   // of the program
  std::string name;  // at most 15 characters, as the kernel keeps it; empty: may not be read
};

// Of all programs there, Keelson's among them, as they hold for the cgroup that is mounted highest:
// a container that sees only a part of the hierarchy inherits those of the root.
Result<std::vector<Neighbour>> programs_at_root();
// One check for each project that is there; `ours` are the ids of Keelson's programs. Pure.
std::vector<KernelCheck> judge_neighbours(const std::vector<Neighbour>& programs,
                                          const std::vector<uint32_t>& ours);

}  // namespace keelson::datapath
