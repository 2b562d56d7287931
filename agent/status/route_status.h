// route_status: what the status of each HTTPRoute should say of this mesh (Gateway API, RouteStatus
// and RouteParentStatus; parents of kind Service are GAMMA's), and how to make an object say so.
// The verdicts are the compiler's own; a version that could not be read at all is refused with its
// findings. status.parents is one list for all controllers: entries of others stay as they are, and
// the edit names the version that it was made from. Pure, any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compile/plan.h"
#include "model/refused_routes.h"
#include "model/snapshot.h"

namespace keelson::status {

inline constexpr const char* kControllerName = "keelson.dev/mesh";

struct RouteParentStatus {
  model::RouteParent parent;
  compile::RouteCondition accepted, resolved;
  friend bool operator==(const RouteParentStatus&, const RouteParentStatus&) = default;
};

struct RouteStatus {
  int64_t generation = 0;  // of the version that was judged
  std::vector<RouteParentStatus> parents;
  // Nothing of this version is applied: what every parent of kind Service is told.
  std::optional<compile::RouteCondition> refused;
  bool is_empty() const noexcept { return parents.empty() && !refused; }
  friend bool operator==(const RouteStatus&, const RouteStatus&) = default;
};

// Of every route there is, also of those that concern no Service (empty: we have no entry there).
using RouteStatuses = std::map<model::ObjectKey, RouteStatus>;

// `plan` is compiled from `snapshot`.
RouteStatuses route_statuses(const model::Snapshot& snapshot, const compile::Plan& plan,
                             const std::vector<model::RefusedVersion>& refused);

struct StatusEdit {
  enum class State {
    kSame,      // the object says it already
    kOutdated,  // the object is of another generation than `wanted`
    kPatch,
  };
  State state = State::kSame;
  std::string patch;  // a merge patch of the status subresource
};

// `object`: the route as the API server has it, JSON. Error: api_answer_malformed.
Result<StatusEdit> edit_status(const std::string& object, const RouteStatus& wanted, WallTime now);

}  // namespace keelson::status
