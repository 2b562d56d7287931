#include "pod_standing.h"

#include <algorithm>

namespace keelson {
namespace {

using State = cni::Standing::State;

cni::Standing waits(std::string step, std::string fix) {
  return {State::kWaiting, std::move(step), std::move(fix)};
}

const model::Pod* find_pod(const model::Snapshot& snapshot, const cni::PodRef& pod) {
  const auto found = snapshot.pods.find({model::Kind::kPod, pod.ns, pod.name});
  const bool is_it = found != snapshot.pods.end() &&
                     (found->second->meta.uid == pod.uid || runtime_uid(*found->second) == pod.uid);
  return is_it ? found->second.get() : nullptr;
}

// Without its namespace a pod whose own label says nothing cannot be judged.
bool is_label_known(const model::Snapshot& snapshot, const model::Pod& pod) {
  return model::mesh_setting(pod.meta.labels).has_value() ||
         snapshot.namespaces.contains({model::Kind::kNamespace, "", pod.meta.key.ns});
}

cni::Standing of_joining(const StandingView& view, const model::Pod& pod) {
  const std::string& uid = pod.meta.uid;
  const auto problem = std::find_if(view.problems.begin(), view.problems.end(),
                                    [&](const auto& each) { return each.uid == uid; });
  if (problem != view.problems.end() && problem->error.reason == Reason::pod_slots_exhausted)
    return {State::kRefused, problem->error.message(), "start fewer meshed pods on this node"};
  if (problem != view.problems.end())
    return waits(problem->error.message(), "keelsonctl status, on this node, says more");
  if (view.node_error)
    return waits(view.node_error->message(), "keelsonctl check, on this node, says more");
  if (!view.has_identity(pod))
    return waits(
        "no certificate yet for service account " + pod.meta.key.ns + "/" + pod.service_account,
        "kubectl -n keelson-system logs deployment/keelson-ca");
  if (!view.rollout_waits_for.empty())
    return waits(view.rollout_waits_for,
                 "keelson-l7 must run on this node: kubectl -n keelson-system get pods -o wide");
  return waits("the agent is applying it", "keelsonctl status, on this node, says more");
}

}  // namespace

cni::Standing pod_standing(const StandingView& view, const cni::PodRef& ref) {
  const model::Pod* pod = find_pod(view.snapshot, ref);
  if (pod == nullptr)
    return waits("the agent has not read Pod " + ref.to_string() + " with uid " + ref.uid,
                 "can the agent reach the API server? keelsonctl status, on this node");
  if (!is_label_known(view.snapshot, *pod))
    return waits("the agent has not read Namespace " + ref.ns,
                 "can the agent reach the API server? keelsonctl status, on this node");
  if (pod->node_name != view.node_name)
    return waits("Pod " + ref.to_string() + " is bound to node '" + pod->node_name + "', not to '" +
                     view.node_name + "'",
                 "start keelson-agent with --node as the kubelet calls this node");
  if (pod->terminal || !model::is_meshed(view.snapshot, *pod)) return {State::kNotMeshed, "", ""};
  const auto refused = std::find_if(view.refused.begin(), view.refused.end(),
                                    [&](const auto& each) { return each.uid == pod->meta.uid; });
  if (refused != view.refused.end()) {
    // Reported with its reason elsewhere; the node's network is no place to hold it up.
    if (refused->reason == Reason::host_network) return {State::kNotMeshed, "", ""};
    return waits(refused->detail, "keelsonctl status, on this node, says more");
  }
  if (view.state_of(pod->meta.uid) == model::PodState::kReady) return {State::kEnrolled, "", ""};
  return of_joining(view, *pod);
}

}  // namespace keelson
