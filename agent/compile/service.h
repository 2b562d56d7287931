// One Service and its EndpointSlices -> ks_service and ks_backend rows. Pure, any thread.
// A Service with a field that is not implemented yields no row, so that kube-proxy serves it, and a
// finding that says so. Backends are sorted by address and port: no state decides their order.
#pragma once

#include <memory>
#include <vector>

#include "compile/name_table.h"
#include "model/snapshot.h"

namespace keelson::compile {

using Slices = std::vector<std::shared_ptr<const model::EndpointSlice>>;

struct ServiceUnit {
  RowList rows;
  std::vector<model::Finding> findings;
  std::vector<uint64_t> ids;  // all of them mean this Service
};

ServiceUnit compile_service(const model::Service& service, const Slices& slices);

}  // namespace keelson::compile
