// Waits until the agents of a lab that was just built say that they are ready. Blocking, with a
// deadline; any thread. Does not start or mend anything.
#pragma once

#include <chrono>

#include "base/result.h"
#include "lab_layout.h"

namespace keelson::lab {

// Nothing to wait for when the layout is without hold or agent: such an agent is never ready.
// Says on standard error what it waits for when that takes long. Error: cannot_reach with each node
// that is not ready after `patience` and what its agent says about it.
Result<void> wait_ready(const Layout& layout, std::chrono::milliseconds patience);

}  // namespace keelson::lab
