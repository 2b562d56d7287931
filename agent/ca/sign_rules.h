// sign_rules: who may get which identity. Pure, any thread; facts come in, a grant or a refusal
// with its reason comes out. What is trusted: the API server's answer to a TokenReview, and its
// list of pods. What is not: anything the caller wrote. A node proves which node it is by a token
// that the API server bound to a pod of the agent's DaemonSet there; it may then speak for the
// service accounts of live pods on that node and for nobody else. See docs/ca.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace keelson::ca {

// status of a TokenReview (authentication.k8s.io/v1).
struct ReviewedToken {
  bool authenticated = false;
  std::string error;  // why not
  std::string username;
  std::vector<std::string> audiences;
  std::map<std::string, std::vector<std::string>> extra;
};

// Whose tokens count.
struct AgentAccount {
  std::string ns = "keelson-system";
  std::string name = "keelson-agent";
  std::string audience = "keelson-ca";
};

// The agent that asks, as the API server vouches for it.
struct Caller {
  std::string node;
  std::string node_uid;  // empty: an API server that does not tell
  std::string pod_name;
  std::string pod_uid;
  friend bool operator==(const Caller&, const Caller&) = default;
};

struct PodRecord {
  enum class Phase : uint8_t { kPending, kRunning, kSucceeded, kFailed, kUnknown };

  std::string ns;
  std::string name;
  std::string uid;
  std::string node;
  std::string service_account;
  Phase phase = Phase::kUnknown;
  bool host_network = false;
  bool is_mirror = false;           // made by a kubelet for a static pod, not by the API
  std::optional<WallTime> ends_at;  // metadata.deletionTimestamp: request plus grace period
};

// Error: ca_token_refused, ca_audience_refused, ca_caller_refused, ca_node_unproven.
Result<Caller> judge_token(const ReviewedToken& token, const AgentAccount& account);

// The caller's own pod is still what the token says, and has not ended. `pods`: of the caller's
// node, at least those of the agent's namespace. Error: ca_caller_gone.
Result<void> judge_caller(const Caller& caller, const AgentAccount& account,
                          const std::vector<PodRecord>& pods);

// The pod that makes `ns`/`service_account` the caller's business. A pod counts while its phase is
// Pending (init containers talk) or Running, until the moment for which its deletion is announced,
// without any leeway: a pod that still ends in its grace period serves until then, one that the
// API server should have lost by now does not. Host-network pods are not meshed and would let every
// node ask for their account; mirror pods are made by whoever holds the kubelet's credentials.
// Error: the nearest miss: host_network, ca_pod_terminal, else ca_no_live_pod.
Result<PodRecord> find_live_pod(const Caller& caller, std::string_view ns,
                                std::string_view service_account,
                                const std::vector<PodRecord>& pods, WallTime now);

}  // namespace keelson::ca
