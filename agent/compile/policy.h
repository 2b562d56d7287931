// Which AuthorizationPolicies select a workload, and which of their references point nowhere.
// Pure, any thread.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "compile/policy_set.h"
#include "model/snapshot.h"

namespace keelson::compile {

// True when `selector` is missing, or all its labels are in `labels`.
bool selects(const std::optional<model::Labels>& selector, const model::Labels& labels);

// The policies of the pod's namespace and of the root namespace that select it, sorted by key.
Policies policies_for(const model::Snapshot& snapshot, const std::string& root_namespace,
                      const model::Pod& pod);

// A warning for each principal or service account, spelt out in a policy, that nobody has.
std::vector<model::Finding> dangling_references(const model::Snapshot& snapshot,
                                                const std::vector<Peer>& known,
                                                const std::string& trust_domain);

}  // namespace keelson::compile
