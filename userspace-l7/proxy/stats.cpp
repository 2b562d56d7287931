#include "proxy/stats.h"

namespace keelson::proxy {

config::Stats sum(std::span<const Stats* const> workers) {
  config::Stats total;
  for (const Stats* worker : workers) {
    total.connections_active += worker->connections_active.value();
    total.connections_total += worker->connections_total.value();
    total.tunnels_active += worker->tunnels_active.value();
    total.handshakes_total += worker->handshakes_total.value();
    total.bytes_sent_total += worker->bytes_sent_total.value();
    total.bytes_received_total += worker->bytes_received_total.value();
    total.requests_total += worker->requests_total.value();
  }
  for (const ReasonInfo& info : kReasons) {
    uint64_t count = 0;
    for (const Stats* worker : workers) count += worker->count_of(info.reason);
    if (count > 0) total.reasons.emplace_back(info.reason, count);
  }
  return total;
}

}  // namespace keelson::proxy
