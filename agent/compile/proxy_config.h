// Parts of what a proxy of this node decides by, out of the same compile run as the kernel's rows:
// whatever both judge (policy sets, a pod's flags) is read back from the rows, so that the two
// cannot differ. Services are service_table.h's, addresses address_book.h's. Pure, any thread.
// Knows no keys: proxylink adds them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compile/facts.h"
#include "compile/policy_set.h"
#include "compile/rows.h"
#include "compile/workload.h"
#include "config/runtime_config.h"

namespace keelson::compile {

// By uid; those of `workloads` that have a row.
decltype(config::RuntimeConfig::local_pods) proxy_local_pods(const std::vector<Workload>& workloads,
                                                             const Rows& rows);

std::shared_ptr<const config::PolicySet> proxy_policy_set(const PolicySet& set);

// Brings `to` from the names in `before` to those in `now`.
void update_identities(const SharedMap<uint64_t, std::string>& before,
                       const SharedMap<uint64_t, std::string>& now, config::RuntimeConfig& to);

}  // namespace keelson::compile
