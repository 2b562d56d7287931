// The AuthorizationPolicies that select one workload -> one policy set: class tables and a dense
// verdict table, as abi.h defines them. Pure, any thread.
// The set's id is the hash of its tables, so a set never changes under its id: another content is
// another set. Identities get a class row only where they differ from the default class; every
// address and port region that no policy tells apart shares a class.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compile/name_table.h"
#include "compile/policy_match.h"
#include "model/objects.h"

namespace keelson::compile {

using Policies = std::vector<std::shared_ptr<const model::AuthorizationPolicy>>;

struct PolicySet {
  uint64_t id = 0;  // 0: no policy
  RowList rows;
  std::vector<model::Finding> findings;
  std::vector<std::pair<uint64_t, std::string>> names;  // policy ids used in rows
};

// `policies`: those that select the workload, sorted by key. `known`: identities of all pods,
// sorted by principal. An empty `policies` gives set 0. Over the row limit: a set that denies
// everything.
PolicySet compile_policy_set(const Policies& policies, const std::vector<Peer>& known,
                             const std::string& trust_domain);

}  // namespace keelson::compile
