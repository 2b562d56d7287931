// why: explains one connection as a chain of links, from the calling pod to the receiving one. Each
// link is ok, broken or skipped, says what was found, and a broken one says which command mends it.
// Pure: it looks at objects, the plan's rows and counters; it opens no connection, so it tells what
// will happen, not what happened (the last link adds the newest recorded flow).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/flow_log.h"
#include "admin/mesh_view.h"

namespace keelson::admin {

enum class LinkResult : uint8_t { kOk, kBroken, kSkipped };
std::string_view link_result_name(LinkResult result) noexcept;

struct Link {
  std::string name;  // "source", "name", "service", "endpoints", "path", ...
  LinkResult result = LinkResult::kOk;
  std::string detail;
  std::string fix;  // empty unless broken
};

// Inbound policy of one pod about one peer.
struct PeerQuestion {
  std::string proven;   // identity, "cluster.local/ns/shop/sa/web"; empty: the peer proves none
  std::string claimed;  // what its address claims
  IpAddress address;
  const model::Pod& destination;
  uint16_t port = 0;
};
struct PeerAnswer {
  bool allowed = true;
  Reason reason = Reason::none;  // policy_denied, not_allowed, ... when refused
  std::string policy;            // "shop/pay-callers"; empty: no policy selects the pod
  model::SourceRef where;
};
using Decide = std::function<PeerAnswer(const PeerQuestion&)>;

struct WhyQuestion {
  std::string from;   // "ns/pod"
  std::string to;     // "ns/service" or "ns/pod"
  uint16_t port = 0;  // 0: the only port, if there is just one
};

struct WhyReport {
  WhyQuestion question;
  std::string destination;  // "shop/pay-1": the endpoint that the later links are about
  std::string path;         // "direct", "capture", "passthrough"; empty: not known
  std::string decided_by;   // the node whose agent alone knows the rest; empty: all is judged
  std::vector<Link> links;
  const Link* first_broken() const noexcept;
};

// `recent`: recorded flows, oldest first.
WhyReport why(const MeshView& view, const WhyQuestion& question, const Decide& decide,
              const std::vector<Flow>& recent);

}  // namespace keelson::admin
