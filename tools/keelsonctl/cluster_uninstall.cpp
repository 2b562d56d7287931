#include "keelsonctl/cluster_uninstall.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/percent_encoding.h"
#include "base/reason.h"
#include "keelsonctl/table.h"
#include "kube/api_error.h"
#include "model/objects.h"

namespace keelson::ctl {
namespace {

using nlohmann::json;

constexpr std::string_view kAgent = "keelson-agent";  // the DaemonSet and its service account
constexpr std::string_view kNodeStates = "/apis/keelson.dev/v1alpha1/nodestates";
constexpr std::chrono::seconds kLookAgain{1};
// Agents come and go seldom, and their objects are large.
constexpr std::chrono::seconds kListAgentsAgain{10};
constexpr size_t kNodesNamedMax = 5;
constexpr int kPageItems = 500;

std::string text_at(const json& object, std::initializer_list<const char*> path) {
  const json* at = &object;
  for (const char* key : path) {
    if (!at->is_object() || !at->contains(key)) return {};
    at = &(*at)[key];
  }
  return at->is_string() ? at->get<std::string>() : std::string();
}

json list_at(const json& object, const char* key, const char* inner) {
  const json outer = object.value(key, json::object());
  return outer.is_object() ? outer.value(inner, json::array()) : json::array();
}

std::string annotation(const json& object, std::string_view name) {
  return text_at(object, {"metadata", "annotations", std::string(name).c_str()});
}

bool is_controlled_by(const json& pod, const std::string& uid) {
  const json owners = list_at(pod, "metadata", "ownerReferences");
  return std::any_of(owners.begin(), owners.end(),
                     [&](const json& owner) { return text_at(owner, {"uid"}) == uid; });
}

bool is_ready(const json& pod) {
  const json conditions = list_at(pod, "status", "conditions");
  return std::any_of(conditions.begin(), conditions.end(), [](const json& condition) {
    return text_at(condition, {"type"}) == "Ready" && text_at(condition, {"status"}) == "True";
  });
}

// No rights, or none of that name: asking again changes nothing.
bool is_final(Reason reason) {
  return reason == Reason::api_forbidden || reason == Reason::api_unauthorized ||
         reason == Reason::api_kind_missing || reason == Reason::credentials_unusable;
}

std::string names_of(const std::vector<NodeLeft>& left) {
  std::string text;
  for (size_t i = 0; i < left.size() && i < kNodesNamedMax; ++i)
    text +=
        (i == 0 ? "" : ", ") + left[i].node + (left[i].why.empty() ? "" : " (" + left[i].why + ")");
  if (left.size() > kNodesNamedMax)
    text += " and " + std::to_string(left.size() - kNodesNamedMax) + " more";
  return text;
}

class Uninstall {
 public:
  Uninstall(ClusterApi& api, const UninstallOptions& options, const Terminal& terminal)
      : api_(api), options_(options), terminal_(terminal), until_(api.now() + options.limit) {}

  int run();

 private:
  Result<json> call(rest::Request request);
  // Until it succeeds, cannot ever, or the time is over.
  template <class Step>
  auto persist(Step step) -> decltype(step());
  Result<std::string> find_daemon_set();  // its uid; empty: there is none
  Result<void> ask_agents(const std::string& uid);
  Result<std::vector<AgentPod>> list_agents(const std::string& uid);
  Result<NodeMarks> list_marks();
  Result<std::vector<json>> list(const std::string& target, const std::string& accept);
  Result<void> delete_node_states();
  Result<std::vector<NodeLeft>> wait_for_nodes(const std::string& uid);
  void tell(const std::vector<NodeLeft>& left);
  int refuse(const Error& error);
  int refuse(const std::vector<NodeLeft>& left);

  ClusterApi& api_;
  const UninstallOptions options_;
  const Terminal& terminal_;
  const MonotonicTime until_;
  std::vector<AgentPod> agents_;
  std::string told_;
};

Result<json> Uninstall::call(rest::Request request) {
  const std::string name = request.method + " " + request.target;
  KS_ASSIGN(rest::Answer answer, api_.ask(std::move(request)));
  if (answer.status / 100 != 2) return Failure(kube::api_error(name, std::move(answer)).error);
  json value = json::parse(answer.body, nullptr, false);
  if (!value.is_object())
    return fail(Reason::api_answer_malformed, ErrorSource::kKube, name + ": no JSON object");
  return value;
}

template <class Step>
auto Uninstall::persist(Step step) -> decltype(step()) {
  auto done = step();
  for (std::string said; !done && !is_final(done.error().reason) && api_.now() < until_;) {
    const std::string message = done.error().message();
    if (message != said) terminal_.err << "tried again: " << plain_text(message) << std::endl;
    said = message;
    api_.pause(kLookAgain);
    done = step();
  }
  return done;
}

Result<std::string> Uninstall::find_daemon_set() {
  rest::Request request;
  request.target = "/apis/apps/v1/namespaces/" + percent_encoded(options_.ns) + "/daemonsets/" +
                   std::string(kAgent);
  auto found = call(std::move(request));
  if (!found && found.error().reason == Reason::api_kind_missing) return std::string();
  if (!found) return Failure(std::move(found).error());
  const std::string uid = text_at(*found, {"metadata", "uid"});
  if (uid.empty())
    return fail(Reason::api_answer_malformed, ErrorSource::kKube,
                "DaemonSet " + std::string(kAgent) + " has no uid");
  return uid;
}

Result<void> Uninstall::ask_agents(const std::string& uid) {
  rest::Request request;
  request.method = "PATCH";
  request.target = "/api/v1/namespaces/" + percent_encoded(options_.ns) + "/serviceaccounts/" +
                   std::string(kAgent);
  request.content_type = "application/merge-patch+json";
  request.body = json{{"metadata", {{"annotations", {{model::kUninstallAnnotation, uid}}}}}}.dump();
  KS_TRY(call(std::move(request)));
  return {};
}

Result<std::vector<json>> Uninstall::list(const std::string& target, const std::string& accept) {
  std::vector<json> items;
  std::string token;
  do {
    rest::Request request;
    request.accept = accept;
    request.target = target + (target.find('?') == std::string::npos ? "?" : "&") +
                     "limit=" + std::to_string(kPageItems) +
                     (token.empty() ? "" : "&continue=" + percent_encoded(token));
    KS_ASSIGN(json page, call(std::move(request)));
    for (json& item : page["items"]) items.push_back(std::move(item));
    token = text_at(page, {"metadata", "continue"});
  } while (!token.empty());
  return items;
}

Result<std::vector<AgentPod>> Uninstall::list_agents(const std::string& uid) {
  KS_ASSIGN(const std::vector<json> pods,
            list("/api/v1/namespaces/" + percent_encoded(options_.ns) +
                     "/pods?labelSelector=" + percent_encoded("app.kubernetes.io/component=agent"),
                 "application/json"));
  std::vector<AgentPod> agents;
  for (const json& pod : pods) {
    const std::string node = text_at(pod, {"spec", "nodeName"});
    if (!node.empty() && is_controlled_by(pod, uid))
      agents.push_back({text_at(pod, {"metadata", "name"}), node,
                        text_at(pod, {"status", "phase"}) == "Running", is_ready(pod)});
  }
  return agents;
}

Result<NodeMarks> Uninstall::list_marks() {
  auto states = list(std::string(kNodeStates),
                     "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
                     "application/json");
  if (!states && states.error().reason == Reason::api_kind_missing) return NodeMarks{};
  if (!states) return Failure(std::move(states).error());
  NodeMarks marks;
  for (const json& state : *states)
    marks[text_at(state, {"metadata", "name"})] = annotation(state, model::kRetiredAnnotation);
  return marks;
}

// All of them: also those of nodes that are gone, which nobody else would remove.
Result<void> Uninstall::delete_node_states() {
  rest::Request request;
  request.method = "DELETE";
  request.target = kNodeStates;
  const auto deleted = call(std::move(request));
  if (!deleted && deleted.error().reason != Reason::api_kind_missing)
    return Failure(deleted.error());
  return {};
}

Result<std::vector<NodeLeft>> Uninstall::wait_for_nodes(const std::string& uid) {
  MonotonicTime list_at = api_.now();
  while (true) {
    const bool lists = api_.now() >= list_at || api_.now() >= until_;
    if (lists) {
      KS_ASSIGN(agents_, persist([&] { return list_agents(uid); }));
      list_at = api_.now() + kListAgentsAgain;
    }
    KS_ASSIGN(const NodeMarks marks, persist([&] { return list_marks(); }));
    std::vector<NodeLeft> left = nodes_left(agents_, marks, uid);
    tell(left);
    // Done is believed only of agents that were listed in the same round: one may have come.
    if ((left.empty() && lists) || api_.now() >= until_) return left;
    if (left.empty())
      list_at = api_.now();
    else
      api_.pause(kLookAgain);
  }
}

void Uninstall::tell(const std::vector<NodeLeft>& left) {
  std::set<std::string> nodes;
  for (const AgentPod& agent : agents_) nodes.insert(agent.node);
  for (const NodeLeft& node : left) nodes.insert(node.node);
  const size_t done = nodes.size() - std::min(nodes.size(), left.size());
  std::string text =
      std::to_string(done) + " of " + std::to_string(nodes.size()) + " nodes are out of the mesh";
  if (!left.empty()) text += "; waits for " + names_of(left);
  if (text == told_) return;
  told_ = text;
  terminal_.out << plain_text(text) << std::endl;
}

int Uninstall::refuse(const Error& error) {
  terminal_.err << "error: " << plain_text(error.message()) << " (" << reason_name(error.reason)
                << ")\nnext: "
                << (is_final(error.reason)
                        ? "look at the rights of this service account: with the chart, rbac.create"
                        : "is the API server reachable from here?")
                << "; helm uninstall again, or with --no-hooks, which leaves every node as it is "
                   "(docs/operations.md)\n";
  return kExitCannotReach;
}

int Uninstall::refuse(const std::vector<NodeLeft>& left) {
  const std::string ns = options_.ns;
  terminal_.err
      << "error: after " << options_.limit.count() << " s Keelson is still on " << left.size()
      << " node" << (left.size() == 1 ? "" : "s") << ": " << plain_text(names_of(left)) << "\n"
      << "next: kubectl -n " << ns
      << " get pods -o wide; kubectl logs of an agent there says what it waits for. When "
         "it runs: helm uninstall again. A node that does not come back: delete its Node\n"
      << "next: where no agent runs, let agent.nodeSelector, affinity and tolerations reach the "
         "node again; one that is gone: kubectl delete nodestate NODE\n"
      << "next: or helm uninstall --no-hooks. Then, on each of these nodes, before its "
         "pods can start: rm -rf /etc/cni/net.d/00-keelson.conflist "
         "/opt/cni/bin/keelson-cni /sys/fs/bpf/keelson\n"
      << "next: or keep Keelson: kubectl -n " << ns << " annotate serviceaccount " << kAgent << " "
      << model::kUninstallAnnotation << "-; kubectl -n " << ns << " rollout restart daemonset/"
      << kAgent << "\n";
  return kExitFindings;
}

int Uninstall::run() {
  const auto uid = persist([&] { return find_daemon_set(); });
  if (!uid) return refuse(uid.error());
  if (uid->empty()) {
    terminal_.out << "no DaemonSet " << kAgent << " in " << options_.ns
                  << ": no agent could take anything off a node" << std::endl;
    return kExitOk;
  }
  if (const auto asked = persist([&] { return ask_agents(*uid); }); !asked)
    return refuse(asked.error());
  terminal_.out << "asked the agents of DaemonSet " << kAgent << " (" << *uid
                << ") to take their nodes out of the mesh" << std::endl;
  const auto left = wait_for_nodes(*uid);
  if (!left) return refuse(left.error());
  if (!left->empty()) return refuse(*left);
  if (const auto deleted = persist([&] { return delete_node_states(); }); !deleted)
    return refuse(deleted.error());
  terminal_.out << "nothing of Keelson is left on any node" << std::endl;
  return kExitOk;
}

}  // namespace

std::vector<NodeLeft> nodes_left(const std::vector<AgentPod>& agents, const NodeMarks& marks,
                                 const std::string& uid) {
  std::map<std::string, std::string> left;
  std::set<std::string> nodes;
  for (const AgentPod& agent : agents) {
    nodes.insert(agent.node);
    const auto mark = marks.find(agent.node);
    const bool is_done = mark != marks.end() && mark->second == uid;
    // Never started, and none before it has said a word: nothing is there.
    const bool is_nothing = mark == marks.end() && !agent.is_running;
    if (is_done || is_nothing) continue;
    std::string& why = left[agent.node];
    if (!agent.is_ready) why = "agent " + agent.name + " is not ready";
  }
  for (const auto& [node, retired] : marks)
    if (retired.empty() && !nodes.contains(node)) left[node] = "no agent runs there";
  std::vector<NodeLeft> list;
  for (const auto& [node, why] : left) list.push_back({node, why});
  return list;
}

int uninstall_cluster(ClusterApi& api, const UninstallOptions& options, const Terminal& terminal) {
  return Uninstall(api, options, terminal).run();
}

}  // namespace keelson::ctl
