// The HTTPRoutes that name one Service as parent -> what the proxy routes its ports by (GAMMA).
// Pure, any thread. One unit is one Service, or the name of one that does not exist: its routes
// are only reported. Endpoints are no part of it: backends are named by service ids.
//
// A backend in another namespace than the route's is valid if a ReferenceGrant there permits it, or
// if it is the Service that the client dialled: a consumer route may send its requests on to that.
//
// Precedence over all rules of all routes of one group (Gateway API, HTTPRouteRule.matches), each
// match of a rule on its own: path Exact, then RegularExpression, then the longest PathPrefix; then
// a method; then most headers; then most query parameters; then the oldest route (one without
// creationTimestamp is the youngest), its namespace/name, the order of rules and of matches.
// The place of regular expressions is ours to define: one says more than a prefix and less than
// the whole path, and among themselves their length says nothing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compile/route_verdict.h"
#include "config/routes.h"
#include "model/snapshot.h"

namespace keelson::compile {

using ServiceName = std::pair<std::string, std::string>;  // namespace, name
using Routes = std::vector<std::shared_ptr<const model::HttpRoute>>;

// Routes by the Services that they name as parents, in the order of their keys.
std::map<ServiceName, Routes> group_routes(const model::Snapshot& snapshot);

struct RouteUnit {
  // Ports with at least one route.
  std::map<uint16_t, std::shared_ptr<const config::ServiceRoutes>> ports;
  std::vector<model::Finding> findings;
  std::shared_ptr<const RouteVerdicts> verdicts;  // of every parentRef that names the Service
};

// The objects that compile_routes reads: equal lists give equal units.
std::vector<std::shared_ptr<const void>> route_inputs(const model::Snapshot& snapshot,
                                                      const ServiceName& parent,
                                                      const Routes& routes);
RouteUnit compile_routes(const model::Snapshot& snapshot, const ServiceName& parent,
                         const Routes& routes);

}  // namespace keelson::compile
