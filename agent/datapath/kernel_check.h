// check_kernel: what this node offers of what Keelson needs, for the agent's start and `keelsonctl
// check`. Features are probed by using them, versions are never compared. Any thread; leaves
// nothing behind. Decides nothing: the caller refuses to start on an error.
#pragma once

#include <string>
#include <vector>

namespace keelson::datapath {

enum class CheckLevel { kOk, kWarning, kError };

struct KernelCheck {
  std::string name;  // "bpffs"
  CheckLevel level = CheckLevel::kOk;
  std::string text;  // what was found
  std::string hint;  // what to do about it; empty when ok
};

std::vector<KernelCheck> check_kernel(const std::string& pin_dir);
// The part that asks the kernel itself: program and map types, links, cutting. Needs CAP_BPF and
// CAP_NET_ADMIN: without them everything seems to be missing.
std::vector<KernelCheck> probe_kernel();

}  // namespace keelson::datapath
