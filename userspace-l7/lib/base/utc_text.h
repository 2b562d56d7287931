// utc_text: a wall time as RFC 3339 writes it, in UTC. Pure, any thread.
#pragma once

#include <string>

#include "base/clock.h"

namespace keelson {

std::string utc_text(WallTime time);         // "2026-08-21T10:00:00Z", the started second
std::string utc_text_micros(WallTime time);  // "2026-08-21T10:00:00.000042Z"

}  // namespace keelson
