// What a proxy of this node decides by, out of the same compile run as the kernel's rows: whatever
// both judge (policy sets, who owns an address, a pod's flags) is read back from the plan's rows,
// so that the two cannot differ. Pure, any thread. Knows no keys: proxylink adds them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compile/facts.h"
#include "compile/plan.h"
#include "compile/service.h"
#include "config/runtime_config.h"
#include "model/snapshot.h"

namespace keelson::compile {

struct ProxyService {
  std::string ns, name;
  ServicePortUnit port;
  std::shared_ptr<const config::ServiceRoutes> routes;  // null: not routed per request
};
using ProxyServices = std::vector<ProxyService>;

// `plan`: its rows and names, complete. `services`: every TCP port that has an id.
std::shared_ptr<const config::RuntimeConfig> make_proxy_config(const model::Snapshot& snapshot,
                                                               const NodeFacts& facts,
                                                               const Plan& plan,
                                                               const ProxyServices& services);

}  // namespace keelson::compile
