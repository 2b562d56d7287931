// One Service and its EndpointSlices -> ks_service and ks_backend rows, and its endpoints as a
// backend of routes. Pure, any thread. Knows no routes: compile.cpp marks the rows they concern.
// A Service with a field that is not implemented yields no row, so that kube-proxy serves it, and a
// finding that says so. Backends are sorted by address and port: no state decides their order.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "compile/name_table.h"
#include "config/routes.h"
#include "model/snapshot.h"

namespace keelson::compile {

using Slices = std::vector<std::shared_ptr<const model::EndpointSlice>>;

struct ServicePortUnit {
  uint16_t port = 0;
  std::array<uint64_t, 2> ids = {0, 0};  // by ks_family; 0: none of that family
  std::array<std::shared_ptr<const config::EndpointSet>, 2> endpoints;  // where there is an id
};

struct ServiceUnit {
  RowList rows;
  // Of every TCP port, also of Services without rows: routes may name any of them as a backend.
  std::vector<ServicePortUnit> ports;
  std::vector<model::Finding> findings;
  std::vector<uint64_t> ids;  // all of them mean this Service
};

// By ks_family. A headless Service may have endpoints of both.
std::array<uint64_t, 2> service_ids(const model::Service& service, uint16_t port);
// True when kube-proxy must keep the whole Service.
bool is_left_to_kube_proxy(const model::Service& service);

ServiceUnit compile_service(const model::Service& service, const Slices& slices);

}  // namespace keelson::compile
