// drop_privileges: leaves keelson-hold with exactly what it uses: SYS_ADMIN (setns) and NET_ADMIN
// (netlink sockets that may destroy connections carry their opener's capability). Called once at
// start, before the first client.
#pragma once

#include "base/result.h"

namespace keelson::hold {

Result<void> raise_fd_limit();  // room for KS_PODS_MAX pods; before drop_privileges
Result<void> drop_privileges();

}  // namespace keelson::hold
