// Reports: all that the agent tells the cluster beside its NodeState: the statuses of HTTPRoutes,
// by whichever agent leads (Lease keelson-status); events about this node's pods, and, by the
// leader, about namespaces; the start-up taint. Only wiring of the parts in this folder. Looks at
// the agent's state some time after it has changed, never while it is changing. Asks the time,
// never waits: the owner calls wake() at next_wake(), which may change whenever on_schedule is
// called. Agent loop only, like the client's callbacks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kube/leadership.h"
#include "status/event_recorder.h"
#include "status/mesh_events.h"
#include "status/node_taint.h"
#include "status/route_status_writer.h"

namespace keelson::status {

// What there is to tell of.
struct ReportView {
  std::shared_ptr<const model::Snapshot> snapshot;
  std::shared_ptr<const compile::Plan> plan;
  std::vector<model::RefusedVersion> refused_routes;
  std::vector<SeenPod> pods;
  bool is_ready = false;  // all of the agent's tasks are done
};

class Reports {
 public:
  struct Seams {
    rest::Client& client;
    const Clock& clock;
    kube::Backoff::Random random;
    std::function<ReportView()> view;
    std::function<void()> on_schedule;
  };
  // `ns`: of the release, where the Lease is.
  Reports(const std::string& node_name, const std::string& ns, Seams seams);

  // The own NodeState as the source first has it, from an earlier agent; null: there is none.
  void start(const model::NodeState* before);
  void note_change();

  std::optional<MonotonicTime> next_wake() const;
  void wake();
  // What the server refuses. That it is away is the source's to tell.
  std::vector<model::Finding> findings() const;
  bool is_leader() const noexcept { return leadership_.is_leader(); }
  uint64_t route_statuses_written() const noexcept { return routes_.writes(); }
  uint64_t events_written() const noexcept { return events_.written(); }
  uint64_t events_dropped() const noexcept { return events_.dropped(); }

 private:
  void look();

  Seams seams_;
  const std::string node_name_;
  bool has_started_ = false;
  bool led_ = false;  // when last looked at
  std::optional<MonotonicTime> look_at_;
  size_t agents_ = 1;
  kube::Leadership leadership_;
  RouteStatusWriter routes_;
  NodeTaint taint_;
  EventRecorder events_;
  PodEvents pod_events_;
  NamespaceEvents namespace_events_;
};

}  // namespace keelson::status
