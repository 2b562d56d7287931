// Edges: who called whom and what became of it, as this node's flow events tell it: the short
// answer to "does anything go through the mesh yet?". Bounded: the edge that was seen longest ago
// goes first. Agent loop only. Counts connections where the caller's node decides, and what the
// receiver's node refused; single flows are the FlowLog's.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"

namespace keelson::admin {

struct Flow;

// How a connection that was let through travels. kProxy: a Service whose requests are routed one by
// one; between nodes they travel in mutual TLS.
enum class Transport : uint8_t { kDirect = 1, kMtls = 2, kProxy = 4, kPlain = 8 };
// Of a flow that was let through.
Transport transport_of(const Flow& flow) noexcept;

struct Edge {
  std::string from, to;    // "shop/web-1", or an address; "shop/pay": a Service, pod or address
  uint8_t transports = 0;  // Transport bits, all that were seen
  uint64_t allowed = 0, denied = 0;
  std::string reason;  // of the last refusal
  WallTime first_seen, last_seen;
  std::vector<std::string_view> transport_names() const;  // "direct", "mtls", "proxy", "plain"
};

class Edges {
 public:
  explicit Edges(size_t edges_max = 1024) : edges_max_(edges_max) {}
  Edges(const Edges&) = delete;
  Edges& operator=(const Edges&) = delete;

  void add(const Flow& flow);
  std::vector<Edge> recent(size_t max) const;  // the one that was seen last first
  size_t size() const noexcept { return edges_.size(); }

 private:
  size_t edges_max_;
  std::list<Edge> edges_;  // as recent()
  std::unordered_map<std::string, std::list<Edge>::iterator> by_ends_;
};

}  // namespace keelson::admin
