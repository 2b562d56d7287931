// Counters: how often the kernel side decided what (ks_counters, summed over CPUs) and how full its
// maps are. Reads only; any one thread. Names and metrics are admin/'s.
#pragma once

#include <cstdint>
#include <string>
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

struct MapOccupancy {
  std::string name;
  uint64_t entries = 0;
  uint64_t entries_max = 0;
};

class Counters {
 public:
  static Result<Counters> open(const Pins& pins);

  // Every reason of reason.def that the kernel counted at least once.
  Result<std::vector<ReasonCount>> read() const;
  Result<uint64_t> read(Reason reason) const;
  // ks_tuple and the configuration maps.
  Result<std::vector<MapOccupancy>> occupancy() const;

 private:
  struct Map {
    std::string name;
    Fd fd;
    size_t key_bytes = 0;
    size_t value_bytes = 0;
    uint64_t entries_max = 0;
  };
  Counters(Fd counters, int cpus) : counters_(std::move(counters)), cpus_(cpus) {}

  Fd counters_;
  int cpus_;
  std::vector<Map> maps_;
};

}  // namespace keelson::datapath
