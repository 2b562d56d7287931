// AdminState: what the admin surface may ask the rest of the agent; agent/app implements it.
// Everything is called on the loop that runs the HttpServer (the agent loop) and must return at
// once: no I/O, no waiting. The views turn the answers into JSON and keep nothing.
// Plain structs only, so that views, why and metrics are pure functions with table tests.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/readiness.h"
#include "base/reason.h"
#include "compile/facts.h"
#include "compile/plan.h"
#include "datapath/inventory.h"
#include "model/snapshot.h"

namespace keelson::admin {

// Sum over CPUs of ks_counters, by reason number.
using ReasonCounters = std::array<uint64_t, KS_REASONS_MAX>;

enum class RolloutPhase : uint8_t { kIdle, kTighten, kPublish, kSteer, kRelax, kRetire, kFenced };
std::string_view rollout_phase_name(RolloutPhase phase) noexcept;  // "idle"
inline constexpr int kRolloutPhases = 7;

struct RolloutState {
  RolloutPhase phase = RolloutPhase::kIdle;
  uint64_t applied_generation = 0;  // last generation that is whole in the kernel; 0: none yet
  std::string waiting_for;          // "the proxy acknowledges generation 7"; empty: nothing
  uint64_t map_writes = 0;          // rows put or erased since the agent started
  uint64_t map_write_failures = 0;
};

// How far this node got with one of its own pods. A meshed pod of this node that is not in the list
// is shown as pending.
enum class EnrolmentState : uint8_t { kJoining, kReady, kLeaving, kRefused };
std::string_view enrolment_state_name(EnrolmentState state) noexcept;  // "ready"

struct Enrolment {
  std::string ns, name, uid;
  EnrolmentState state = EnrolmentState::kJoining;
  Reason reason = Reason::enrolled;  // of a refusal: host_network, netns_invalid, ...
  std::string detail;                // what exactly, for people
};

// Whether a reason of the proxy tells how a connection ended; the others tell what it did on the
// way.
constexpr bool is_outcome(Reason reason) noexcept {
  return reason != Reason::unsettled_retried && reason != Reason::last_call_ended;
}

// Since the proxy started, all workers together; a few seconds old. Zero until it answered once.
struct ProxyCounters {
  std::vector<std::pair<Reason, uint64_t>> reasons;  // outcomes, refusals included, and accounts
  uint64_t connections_active = 0;
  uint64_t connections_total = 0;
  uint64_t tunnels_active = 0;
  uint64_t handshakes_total = 0;
  uint64_t bytes_sent_total = 0;  // towards upstream
  uint64_t bytes_received_total = 0;
};

// Certificates of this node's service accounts.
struct IdentityCounters {
  uint64_t wanted = 0, usable = 0, expired = 0;  // now
  uint64_t issued_total = 0, failures_total = 0, expired_total = 0;
  // Of requests to keelson-ca, by what came of them.
  uint64_t ca_issued_total = 0, ca_refused_total = 0, ca_unreachable_total = 0,
           ca_bad_answers_total = 0;
};

struct ProxyState {
  bool connected = false;
  uint64_t acknowledged_generation = 0;
  ProxyCounters counters;
  uint64_t streams_lost_total = 0;  // carried by proxies when they crashed, since the agent started
  IdentityCounters identities = {};
};

// One kind that the agent follows at the API server.
struct SourceKind {
  std::string kind;  // "HTTPRoute"
  size_t objects = 0;
  bool is_watching = false;
  uint64_t relists = 0;
  uint64_t watch_restarts = 0;
  std::vector<std::pair<Reason, uint64_t>> errors;
  std::chrono::milliseconds silence{0};  // since the server's last word about the kind
};

struct SourceState {
  bool is_reachable = true;
  std::vector<SourceKind> kinds;  // empty: a folder
};

// What the agent tells the cluster beside its NodeState, since it started.
struct ReportCounters {
  bool is_leader = false;  // now; the leader writes the statuses of routes
  uint64_t route_statuses_total = 0;
  uint64_t events_written_total = 0, events_dropped_total = 0;
};

// What changes without a new generation.
struct LiveState {
  std::string version;  // "0.1.0"
  std::string build;    // commit, or empty
  int pid = 0;
  std::chrono::seconds uptime{0};
  bool hold_connected = false;
  size_t held_netns = 0;     // network namespaces that hold keeps open, when it was last asked
  uint64_t cni_repairs = 0;  // of our CNI configuration, after somebody else changed it
  ProxyState proxy;
  SourceState source;
  ReportCounters reports;
  RolloutState rollout;
  std::vector<Enrolment> enrolments;
  std::vector<model::Finding> findings;  // beside plan.findings: documents, enrolment, kernel
  ReasonCounters counters{};
  uint64_t events_lost = 0;  // in the kernel, ring buffer full; slow readers: FlowLog counts
};

// One line of `keelsonctl check`. datapath/kernel_check.h results are copied into it by the app.
enum class CheckResult : uint8_t { kOk, kWarning, kError };
struct Check {
  std::string group;  // "kernel", "node", "agent": a title in the output
  std::string name;   // "BTF of the kernel is readable"
  CheckResult result = CheckResult::kOk;
  std::string detail;  // what was found
  std::string fix;     // what to do; empty when ok
};

class AdminState {
 public:
  virtual ~AdminState() = default;
  virtual std::shared_ptr<const model::Snapshot> snapshot() const = 0;  // never null
  virtual std::shared_ptr<const compile::Plan> plan() const = 0;        // never null
  virtual const compile::NodeFacts& facts() const = 0;
  virtual LiveState live() const = 0;
  virtual const Readiness& readiness() const = 0;
  virtual std::vector<Check> checks() const = 0;
  virtual const datapath::Inventory& kernel() const = 0;
};

}  // namespace keelson::admin
