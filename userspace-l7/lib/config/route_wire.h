// Routes between their normal form (routes.h) and the wire (keelson.proto). Pure, any thread.
// Private to lib/config: nobody else sees generated types.
#pragma once

#include "base/result.h"
#include "config/routes.h"
#include "keelson.pb.h"

namespace keelson::config {

void write_routes(const ServiceRoutes& from, wire::Routes& to);
// Error: message_malformed.
Result<ServiceRoutes> read_routes(const wire::Routes& from);

}  // namespace keelson::config
