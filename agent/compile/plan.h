// Plan: the result of compiling one snapshot for one node: kernel rows, what people should know,
// what became of the routes, and the names behind the 64-bit ids in rows and events. Plain data,
// any thread, no clock, no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compile/route_verdict.h"
#include "compile/rows.h"
#include "model/finding.h"

namespace keelson::config {
struct RuntimeConfig;
}

namespace keelson::compile {

struct Names {
  SharedMap<uint64_t, std::string> identities;  // "cluster.local/ns/shop/sa/web"
  SharedMap<uint64_t, std::string> services;    // "shop/pay"
  std::map<uint64_t, std::string>
      policies;  // "shop/pay-callers"; default-deny: "shop/pay (no ALLOW matches)"
  std::map<uint64_t, std::string> pods;  // netns cookie -> "shop/web-1"
};

struct Plan {
  uint64_t generation = 0;
  Rows rows;
  std::vector<model::Finding> findings;
  Names names;
  // One list a parent Service, shared with the compiler's memory.
  std::vector<std::shared_ptr<const RouteVerdicts>> route_verdicts;
  // What the proxy decides by, of the same compile run; without keys. Null only in a default Plan.
  std::shared_ptr<const config::RuntimeConfig> proxy;
};

}  // namespace keelson::compile
