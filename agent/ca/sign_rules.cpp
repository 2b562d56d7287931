#include "ca/sign_rules.h"

#include <algorithm>
#include <string>

namespace keelson::ca {
namespace {

// Keys that the API server sets from a token's own claims (KEP-4193; pods since 1.21, nodes since
// 1.29). An authenticator in front of it cannot set them: the prefix is the API's.
constexpr const char* kNodeName = "authentication.kubernetes.io/node-name";
constexpr const char* kNodeUid = "authentication.kubernetes.io/node-uid";
constexpr const char* kPodName = "authentication.kubernetes.io/pod-name";
constexpr const char* kPodUid = "authentication.kubernetes.io/pod-uid";
constexpr size_t kNameBytesMax = 253;
constexpr size_t kUidBytesMax = 128;

Failure refuse(Reason reason, std::string what) {
  return fail(reason, ErrorSource::kDownstream, std::move(what));
}

bool is_name_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

bool is_name(std::string_view text, size_t bytes_max) noexcept {
  return !text.empty() && text.size() <= bytes_max && text.front() != '-' && text.front() != '.' &&
         text.back() != '-' && text.back() != '.' &&
         std::all_of(text.begin(), text.end(), is_name_character);
}

// A claim that is there twice says nothing.
std::string claim(const ReviewedToken& token, const char* key) {
  const auto found = token.extra.find(key);
  if (found == token.extra.end() || found->second.size() != 1) return {};
  return found->second.front();
}

bool may_run(const PodRecord& pod) noexcept {
  return pod.phase == PodRecord::Phase::kPending || pod.phase == PodRecord::Phase::kRunning;
}

bool is_over(const PodRecord& pod, WallTime now) noexcept {
  return !may_run(pod) || (pod.ends_at && now >= *pod.ends_at);
}

}  // namespace

Result<Caller> judge_token(const ReviewedToken& token, const AgentAccount& account) {
  if (!token.authenticated) return refuse(Reason::ca_token_refused, token.error);
  // An API server that knows no audiences answers without any: that is no proof either.
  const auto& audiences = token.audiences;
  if (std::find(audiences.begin(), audiences.end(), account.audience) == audiences.end())
    return refuse(Reason::ca_audience_refused, "wanted " + account.audience);
  const std::string wanted = "system:serviceaccount:" + account.ns + ":" + account.name;
  if (token.username != wanted)
    return refuse(Reason::ca_caller_refused, token.username + " is not " + wanted);
  Caller caller{claim(token, kNodeName), claim(token, kNodeUid), claim(token, kPodName),
                claim(token, kPodUid)};
  if (!is_name(caller.node, kNameBytesMax))
    return refuse(Reason::ca_node_unproven, "no node-name claim: Kubernetes 1.30 or newer sets it");
  if (!is_name(caller.pod_name, kNameBytesMax) || !is_name(caller.pod_uid, kUidBytesMax))
    return refuse(Reason::ca_node_unproven, "the token is not bound to a pod");
  if (!caller.node_uid.empty() && !is_name(caller.node_uid, kUidBytesMax))
    return refuse(Reason::ca_node_unproven, "node-uid");
  return caller;
}

Result<void> judge_caller(const Caller& caller, const AgentAccount& account,
                          const std::vector<PodRecord>& pods) {
  const auto found = std::find_if(pods.begin(), pods.end(), [&](const PodRecord& pod) {
    return pod.uid == caller.pod_uid && pod.name == caller.pod_name && pod.ns == account.ns &&
           pod.node == caller.node && pod.service_account == account.name && !pod.is_mirror &&
           may_run(pod);
  });
  if (found != pods.end()) return {};
  return refuse(Reason::ca_caller_gone, account.ns + "/" + caller.pod_name + " on " + caller.node);
}

Result<PodRecord> find_live_pod(const Caller& caller, std::string_view ns,
                                std::string_view service_account,
                                const std::vector<PodRecord>& pods, WallTime now) {
  Reason miss = Reason::ca_no_live_pod;
  for (const PodRecord& pod : pods) {
    if (pod.node != caller.node || pod.ns != ns || pod.service_account != service_account ||
        pod.uid.empty() || pod.is_mirror)
      continue;
    if (is_over(pod, now)) {
      if (miss == Reason::ca_no_live_pod) miss = Reason::ca_pod_terminal;
    } else if (pod.host_network) {
      miss = Reason::host_network;
    } else {
      return pod;
    }
  }
  return refuse(miss, std::string(ns) + "/" + std::string(service_account) + " on " + caller.node);
}

}  // namespace keelson::ca
