// local_checks: what can be said about a machine without an agent. By reading files only: the
// release, mounts, capabilities, who configures its network, what is left of an earlier
// installation. With --pre also by asking the kernel (KernelProbe). The agent's own check, which
// loads and attaches for real, says more. The root folder and the probe are parameters, so that
// tests check made-up machines.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "datapath/kernel_check.h"
#include "datapath/neighbours.h"

namespace keelson::ctl {

// The same JSON as /v1/check. `root`: "" for this machine.
std::string local_checks_json(const std::string& root);

class KernelProbe {
 public:
  virtual ~KernelProbe() = default;
  virtual std::vector<datapath::KernelCheck> features() const = 0;
  virtual Result<std::vector<datapath::Neighbour>> programs_at_root() const = 0;
};

class RealKernel final : public KernelProbe {
 public:
  std::vector<datapath::KernelCheck> features() const override { return datapath::probe_kernel(); }
  Result<std::vector<datapath::Neighbour>> programs_at_root() const override {
    return datapath::programs_at_root();
  }
};

// That, and what matters before Keelson is installed on this node.
std::string pre_checks_json(const std::string& root, const KernelProbe& kernel);

}  // namespace keelson::ctl
