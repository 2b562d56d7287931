// Which ReferenceGrant lets the HTTPRoutes of a namespace send requests to a Service of another one
// (Gateway API, ReferenceGrant; group "" kind Service). Pure, any thread.
#pragma once

#include <memory>
#include <string>

#include "model/snapshot.h"

namespace keelson::compile {

// The first by name; null: none does.
std::shared_ptr<const model::ReferenceGrant> find_grant(const model::Snapshot& snapshot,
                                                        const std::string& route_namespace,
                                                        const std::string& service_namespace,
                                                        const std::string& service);

}  // namespace keelson::compile
