// Watch: sees when a destination begins and ends to refuse. Dials it in a tight loop while it holds
// established connections, and reports each turn of events with the CLOCK_MONOTONIC time at which
// it was seen:
//
//   opened   every held connection is there; a change may come now
//   refused  the first new connection that failed (time: the end of its connect())
//   cut      the last held connection is gone
//
// After both `refused` and `cut` it begins again, as soon as it is let in. One thread that blocks
// until `stop` becomes readable; errs late by one dial, some 100 us. Does not change any policy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/fd.h"
#include "base/ip_address.h"

namespace keelson::probe {

using Report = std::function<void(std::string_view event, int64_t at_ns)>;

void watch(const Endpoint& to, size_t held, const Fd& stop, const Report& report);

}  // namespace keelson::probe
