#include "cni/plugin.h"

#include <nlohmann/json.hpp>

namespace keelson::cni {
namespace {

using json = nlohmann::ordered_json;
using std::chrono::milliseconds;

// The agent takes a pod out of the mesh at once; a deletion must not hang on it.
constexpr milliseconds kTeardownLimit{5000};
// The agent's own limit runs out first, and its answer says which step was slow.
constexpr milliseconds kAnswerSlack{1000};

Output version_answer(const Invocation& call) {
  const json value{{"cniVersion", call.cni_version}, {"supportedVersions", kSupportedVersions}};
  return {0, value.dump() + "\n", ""};
}

Output pass(const Invocation& call, std::string warning = "") {
  return {0, call.prev_result.value_or("") + "\n", std::move(warning)};
}

CniError about_pod(const Invocation& call, CniError error) {
  error.message = "pod " + call.attachment.pod.to_string() + ": " + error.message;
  return error;
}

CniError without_agent(const Invocation& call, const CniError& silence) {
  return about_pod(call, {kTryAgainLater, "not started, " + silence.message,
                          "the node's keelson-agent must run before pods outside the exempt "
                          "namespaces start; see: kubectl -n keelson-system get pods -o wide; the "
                          "kubelet tries again by itself"});
}

CniError uid_missing(const Invocation& call) {
  return about_pod(call, {kInvalidEnvironment, "CNI_ARGS has no K8S_POD_UID",
                          "use a container runtime that passes it: containerd 1.6, CRI-O 1.21, or "
                          "later"});
}

Output add(Invocation& call, AgentLine& agent) {
  if (!call.is_pod()) return pass(call);  // a container outside of Kubernetes is no subject of ours
  const bool exempt = call.is_exempt();
  if (call.attachment.pod.uid.empty())
    return exempt ? pass(call) : refusal_output(call.cni_version, uid_missing(call));
  call.attachment.waits = !exempt;
  const milliseconds limit = std::chrono::seconds(call.attachment.timeout_seconds);
  const auto answer = agent.ask(call.agent_socket, "/add", encode_attachment(call.attachment),
                                exempt ? kAnswerSlack : limit + kAnswerSlack);
  if (answer && answer->code == 0) return pass(call);
  const CniError error = answer ? about_pod(call, *answer) : without_agent(call, answer.error());
  if (exempt) return pass(call, "exempt, so started in spite of: " + error.message);
  return refusal_output(call.cni_version, error);
}

// The agent forgets the sandbox now, or, if it is away, when it finds it gone: at its next start or
// by its sweep.
Output del(const Invocation& call, AgentLine& agent) {
  if (!call.is_pod()) return {};
  const auto answer =
      agent.ask(call.agent_socket, "/del", encode_attachment(call.attachment), kTeardownLimit);
  if (answer && answer->code == 0) return {};
  const CniError& error = answer ? *answer : answer.error();
  return {0, "",
          "pod " + call.attachment.pod.to_string() +
              ": the agent will forget it later: " + error.message};
}

Output check(const Invocation& call, AgentLine& agent) {
  if (!call.is_pod() || call.is_exempt()) return {};
  const auto answer =
      agent.ask(call.agent_socket, "/check", encode_attachment(call.attachment), kTeardownLimit);
  if (!answer) return refusal_output(call.cni_version, without_agent(call, answer.error()));
  if (answer->code != 0) return refusal_output(call.cni_version, about_pod(call, *answer));
  return {};
}

Output collect_garbage(const Invocation& call, AgentLine& agent) {
  const auto answer = agent.ask(call.agent_socket, "/gc",
                                encode_valid_containers(call.valid_containers), kTeardownLimit);
  if (answer && answer->code == 0) return {};
  return {0, "", "GC: " + (answer ? *answer : answer.error()).message};
}

}  // namespace

Output refusal_output(std::string_view version, const CniError& error) {
  const json value{{"cniVersion", version},
                   {"code", error.code},
                   {"msg", "keelson-cni: " + error.message},
                   {"details", error.details}};
  return {1, value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n", ""};
}

Output run_plugin(const Environment& environment, std::string_view netconf, AgentLine& agent) {
  auto call = read_invocation(environment, netconf);
  if (!call) return refusal_output(answered_version(netconf), call.error());
  switch (call->command) {
    case Command::kVersion:
      return version_answer(*call);
    case Command::kAdd:
      return add(*call, agent);
    case Command::kDel:
      return del(*call, agent);
    case Command::kCheck:
      return check(*call, agent);
    case Command::kGc:
      return collect_garbage(*call, agent);
    case Command::kStatus:
      // Never an error for want of an agent: a runtime that is told so calls the whole node not
      // ready, which takes running pods out of their Services. ADD says it for the pods it
      // concerns.
      return {};
  }
  return {};
}

}  // namespace keelson::cni
