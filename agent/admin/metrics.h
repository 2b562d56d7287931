// metrics_text: the agent's Prometheus exposition (text format 0.0.4) from one look at its state.
// Pure: the kernel's and the agent's counters are the truth, so nothing is counted twice here.
// Labels come from closed sets (reason.def, severities, phases); every series exists from the
// start, so that rate() sees the first increase. The proxy's metrics are not in it.
#pragma once

#include <cstdint>
#include <string>

#include "admin/admin_state.h"

namespace keelson::admin {

struct MetricsInput {
  const LiveState& live;
  const compile::Plan& plan;
  const Readiness& readiness;
  uint64_t snapshot_generation = 0;
  uint64_t slow_reader_lost = 0;
};

std::string metrics_text(const MetricsInput& input);

}  // namespace keelson::admin
