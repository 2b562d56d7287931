// FlowLog: turns raw kernel flow events, and what the proxy's policy refused, into lines that name
// pods, services, policies and reasons; keeps the last ones (`observe --last`) and feeds live
// readers, each with a bounded queue. A slow reader loses events, which are counted and said in its
// stream; it never delays the agent. Agent loop only. Does not read the ring buffer (datapath/) and
// does no I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "admin/edges.h"
#include "base/clock.h"
#include "base/ip_address.h"
#include "compile/plan.h"
#include "config/encode.h"
#include "config/runtime_config.h"
#include "model/snapshot.h"
#include "serving/line_source.h"

namespace keelson::admin {

// One event, resolved. Empty names are unknown; addresses are always there.
struct Flow {
  WallTime time;
  std::string node;
  std::string from, from_identity;  // "shop/web-1"; "cluster.local/ns/shop/sa/web"
  std::string to, to_identity;
  std::string service;                        // "shop/pay"
  std::string policy;                         // "shop/pay-callers"
  std::string source, destination, original;  // "10.1.0.2:40000"
  std::string_view
      hook;  // "connect", "lookup", "established", "source_check"; of the proxy: "hbone", "request"
  std::string_view path;    // "direct", "capture", ...; "none" when denied
  std::string_view reason;  // reason.def
  bool allowed = false;
};

// {"time","node","hook","verdict","reason","path","from","from_identity","to","to_identity",
//  "service","policy","source","destination","original"}: all strings, always present.
std::string flow_json(const Flow& flow);

// The path that a let-pass reason stands for; "none" for every other reason.
std::string_view flow_path(Reason reason) noexcept;

// Members that are set must all match.
struct FlowFilter {
  std::string from;  // prefix of the pod name ("shop/web", "shop/"), or the address
  std::string to;    // the same, also against the service
  std::string reason;
  std::optional<bool> allowed;
  bool matches(const Flow& flow) const;
};

// Names behind events at one generation.
struct FlowNames {
  std::shared_ptr<const compile::Plan> plan;  // knows the mesh's pods by their addresses
  std::unordered_map<IpAddress, std::string, config::AddressHash> pods;  // of this node's objects
  std::string pod_at(const IpAddress& address) const;  // "shop/web-1"; empty: not known
};
FlowNames flow_names(std::shared_ptr<const compile::Plan> plan, const model::Snapshot& snapshot);

Flow describe_flow(const ks_event& event, const FlowNames& names, std::string_view node,
                   WallTime time);

// What the proxy refused. Pods are named by their addresses, as far as this node knows them.
Flow describe_denial(const config::Denial& denial, const FlowNames& names, std::string_view node);

class FlowLog {
 public:
  struct Options {
    size_t ring_flows = 4096;   // for --last; the oldest goes first
    size_t queue_flows = 1024;  // one reader; full: its event is dropped and counted
    size_t readers_max = 16;
  };
  FlowLog(const Clock& clock, std::string node, Options options);
  FlowLog(const FlowLog&) = delete;
  FlowLog& operator=(const FlowLog&) = delete;

  // After each new plan. The address index is built when the next event arrives.
  void set_names(std::shared_ptr<const compile::Plan> plan,
                 std::shared_ptr<const model::Snapshot> snapshot);
  void add(const ks_event& event);
  void add(const config::Denials& denials);

  // The last `last` matching flows, then (with `follow`) every new one. Null: too many readers.
  // {"lost":N} lines say how many events this reader missed. The FlowLog must outlive the source.
  std::unique_ptr<serving::LineSource> subscribe(FlowFilter filter, size_t last, bool follow);

  // Recorded flows from one pod to one pod or Service, oldest first, at most the newest `max`.
  std::vector<Flow> between(std::string_view from, std::string_view to, size_t max) const;

  const Edges& edges() const noexcept { return edges_; }
  uint64_t slow_reader_lost() const noexcept { return slow_reader_lost_; }
  uint64_t flows_seen() const noexcept { return flows_seen_; }
  size_t readers() const noexcept { return readers_.size(); }

 private:
  class Reader;
  void refresh_names();
  void add(std::shared_ptr<const Flow> flow);

  const Clock& clock_;
  std::string node_;
  Options options_;
  std::shared_ptr<const model::Snapshot> snapshot_;  // set: names_.pods is stale
  FlowNames names_;
  std::deque<std::shared_ptr<const Flow>> ring_;
  Edges edges_;
  std::vector<Reader*> readers_;
  uint64_t slow_reader_lost_ = 0;
  uint64_t flows_seen_ = 0;
};

}  // namespace keelson::admin
