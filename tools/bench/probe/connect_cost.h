// ConnectCost: what one new connection costs the process that dials, connect() and close() in turn.
// CPU is the thread's own; with veth that includes the receiving kernel's part, which runs in the
// softirq of the sender. Blocking. Does not count what the listener does once it accepts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ip_address.h"

namespace keelson::probe {

struct ConnectCost {
  size_t asked = 0, failed = 0;
  int first_error = 0;  // errno of the first that failed
  int64_t cpu_ns = 0, wall_ns = 0;
  std::vector<int64_t> connect_ns;  // sorted; of those that connected

  int64_t quantile(double part) const noexcept;  // 0 when none connected
  std::string json() const;                      // microseconds, one object, no newline
};

ConnectCost measure_connects(const Endpoint& to, size_t count);

}  // namespace keelson::probe
