// RouteVerdict: what the compiler made of one HTTPRoute for one of its parents, in the words of the
// Gateway API (RouteConditionType, RouteConditionReason), for the route's status. Made where the
// findings and the rules are made, of the same decisions. Plain data, any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "model/objects.h"

namespace keelson::compile {

struct RouteCondition {
  bool is_true = true;
  std::string reason;
  std::string message;
  friend bool operator==(const RouteCondition&, const RouteCondition&) = default;
};

struct RouteVerdict {
  std::shared_ptr<const model::HttpRoute> route;
  size_t parent = 0;  // in route->parents
  RouteCondition accepted{true, "Accepted", ""};
  RouteCondition resolved{true, "ResolvedRefs", ""};
};

using RouteVerdicts = std::vector<RouteVerdict>;

}  // namespace keelson::compile
