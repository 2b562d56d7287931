// Counters: how often the kernel side decided what (ks_counters, summed over CPUs). Reads only; any
// one thread. Names and metrics are admin/'s.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/reason.h"
#include "base/result.h"
#include "datapath/pins.h"

namespace keelson::datapath {

struct ReasonCount {
  Reason reason = Reason::none;
  uint64_t count = 0;
};

class Counters {
 public:
  static Result<Counters> open(const Pins& pins);

  // Every reason of reason.def that the kernel counted at least once.
  Result<std::vector<ReasonCount>> read() const;
  Result<uint64_t> read(Reason reason) const;

 private:
  Counters(Fd counters, int cpus) : counters_(std::move(counters)), cpus_(cpus) {}

  Fd counters_;
  int cpus_;
};

}  // namespace keelson::datapath
