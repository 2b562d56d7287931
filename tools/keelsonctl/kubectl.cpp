#include "keelsonctl/kubectl.h"

#include <map>
#include <tuple>

#include "keelsonctl/answer.h"

namespace keelson::ctl {
namespace {

constexpr const char* kAgents =
    "app.kubernetes.io/name=keelson-agent,app.kubernetes.io/component=agent";

std::string last_line(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return std::string(text.substr(text.rfind('\n') + 1));
}

bool is_container_ready(const Json& pod) {
  for (const Json& condition : objects(member(pod, "status"), "conditions"))
    if (text(condition, "type") == "Ready") return text(condition, "status") == "True";
  return false;
}

struct Candidate {
  NodeAgent agent;
  // The best one is the greatest: it runs, it is ready, it is the newest.
  std::tuple<bool, bool, std::string> rank;
};

Candidate candidate(const Json& pod) {
  const Json& meta = member(pod, "metadata");
  const std::string phase = text(member(pod, "status"), "phase");
  const bool ends = !member(meta, "deletionTimestamp").is_null();
  NodeAgent agent{text(member(pod, "spec"), "nodeName"), text(meta, "name"), ""};
  if (phase != "Running") agent.problem = phase.empty() ? "of an unknown phase" : phase;
  if (ends) agent.problem = "ending";
  const bool runs = agent.problem.empty();
  return {std::move(agent), {runs, is_container_ready(pod), text(meta, "creationTimestamp")}};
}

}  // namespace

Result<std::vector<NodeAgent>> read_agents(std::string_view pods_json) {
  KS_ASSIGN(const Json list, parse(pods_json));
  std::map<std::string, Candidate> best;
  for (const Json& pod : objects(list, "items")) {
    Candidate found = candidate(pod);
    if (found.agent.node.empty()) continue;
    const auto [known, is_new] = best.try_emplace(found.agent.node, found);
    if (!is_new && known->second.rank < found.rank) known->second = std::move(found);
  }
  std::vector<NodeAgent> agents;
  for (auto& [node, found] : best) agents.push_back(std::move(found.agent));
  return agents;
}

bool is_remote_exit(const Ended& ended) {
  return ended.err.find("command terminated with exit code") != std::string::npos;
}

Error kubectl_error(const Ended& ended) {
  Error error{Reason::cannot_reach, ErrorSource::kKube, true, 0, last_line(ended.err)};
  if (ended.timed_out) error.context = "kubectl did not answer in time (--timeout)";
  if (ended.err.find("(Forbidden)") != std::string::npos ||
      ended.err.find("(Unauthorized)") != std::string::npos)
    error.reason = Reason::caller_not_allowed;
  if (ended.err.find("(NotFound)") != std::string::npos) error.reason = Reason::not_found;
  if (error.context.empty())
    error.context = "kubectl ended with exit code " + std::to_string(ended.code);
  return error;
}

std::vector<std::string> Kubectl::words(const std::string& ns) const {
  std::vector<std::string> words{"kubectl"};
  if (!options_.kubeconfig.empty()) words.push_back("--kubeconfig=" + options_.kubeconfig);
  if (!options_.context.empty()) words.push_back("--context=" + options_.context);
  words.push_back("--namespace=" + ns);
  return words;
}

std::string Kubectl::hint(std::string_view command) const {
  std::string text;
  for (const std::string& word : words(options_.ns)) text += word + " ";
  return text + std::string(command);
}

Result<std::vector<NodeAgent>> Kubectl::agents() const {
  std::vector<std::string> all = words(options_.ns);
  for (const char* word : {"get", "pods", "--output=json", "--selector"}) all.emplace_back(word);
  all.emplace_back(kAgents);
  KS_ASSIGN(const Ended ended, runner_.run(all, {.time = limit_}));
  if (ended.code != 0) return Failure(kubectl_error(ended));
  KS_ASSIGN(auto agents, read_agents(ended.out));
  if (agents.empty())
    return fail(Reason::not_found, ErrorSource::kKube,
                "no agent runs in namespace " + options_.ns +
                    ": Keelson is not installed there (another one: --namespace)");
  return agents;
}

Result<std::string> Kubectl::node_of(const std::string& ns, const std::string& pod) const {
  std::vector<std::string> all = words(ns);
  for (const char* word : {"get", "--output=jsonpath={.spec.nodeName}", "pod"})
    all.emplace_back(word);
  all.push_back(pod);
  KS_ASSIGN(const Ended ended, runner_.run(all, {.time = limit_}));
  if (ended.code != 0) return Failure(kubectl_error(ended));
  if (ended.out.empty())
    return fail(Reason::not_found, ErrorSource::kKube, ns + "/" + pod + " is on no node yet");
  return ended.out;
}

Result<Ended> Kubectl::keelsonctl(const std::string& pod, const std::vector<std::string>& arguments,
                                  const OnLine& on_line, const Runner::GoOn& go_on) const {
  std::vector<std::string> all = words(options_.ns);
  all.insert(all.end(), {"exec", pod, "--container=agent"});
  if (on_line) all.emplace_back("--stdin");
  all.insert(all.end(), {"--", "keelsonctl"});
  all.insert(all.end(), arguments.begin(), arguments.end());
  const auto limit = on_line ? std::chrono::milliseconds(0) : limit_;
  return runner_.run(all, {.time = limit}, on_line, go_on);
}

}  // namespace keelson::ctl
