// services_of: the Services of a test bench out of its members, which have the same names. The
// references may bind to members that are made later.
#pragma once

#include "proxy/connection.h"

namespace keelson::proxy {

template <class Bench>
Services services_of(Bench& bench, Registry& connections) {
  return {.loop = bench.loop,
          .scheduler = bench.scheduler,
          .blocks = bench.blocks,
          .alarms = bench.alarms,
          .clock = bench.clock,
          .stats = bench.stats,
          .log = bench.log,
          .sockets = bench.stock,
          .tunnels = bench.tunnels,
          .upstreams = bench.upstreams,
          .pods = bench.pods,
          .rng = bench.rng,
          .connections = connections,
          .config = bench.config,
          .facts = bench.facts};
}

}  // namespace keelson::proxy
