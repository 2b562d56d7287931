// Listener: accepts, keeps each connection until its other end is gone, and throws away what comes.
// One thread that blocks until `stop` becomes readable. Answers nothing.
#pragma once

#include "base/fd.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace keelson::probe {

// A listening socket; port 0 picks one, which local_port() tells.
Result<Fd> listen_on(const Endpoint& at);
Result<uint16_t> local_port(const Fd& listening);

Result<void> serve(const Fd& listening, const Fd& stop);

}  // namespace keelson::probe
