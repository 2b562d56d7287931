#include "wanted_pods.h"

namespace keelson {
namespace {

const std::string kConfigHashAnnotation = "kubernetes.io/config.hash";

pods::WantedPod wanted_pod(const model::ObjectKey& key, const model::Pod& pod,
                           const pods::Sandbox* sandbox) {
  pods::WantedPod wanted{pod.meta.uid, key.ns + "/" + key.name, pod.netns_path, pod.addresses};
  if (sandbox == nullptr) return wanted;
  wanted.netns_path = sandbox->netns_path;
  // After a restart of the sandbox the object still has the old ones for a while.
  if (!sandbox->addresses.empty()) wanted.addresses = sandbox->addresses;
  return wanted;
}

}  // namespace

const std::string& runtime_uid(const model::Pod& pod) {
  const auto hash = pod.meta.annotations.find(kConfigHashAnnotation);
  return hash == pod.meta.annotations.end() ? pod.meta.uid : hash->second;
}

PodSelection select_pods(const model::Snapshot& snapshot, const std::string& node_name,
                         const pods::Sandboxes& sandboxes) {
  PodSelection selection;
  for (const auto& [key, pod] : snapshot.pods) {
    if (pod->node_name != node_name || pod->terminal || !model::is_meshed(snapshot, *pod)) continue;
    const auto refuse = [&, &k = key](Reason reason, std::string detail) {
      selection.refused.push_back({k.ns, k.name, pod->meta.uid, reason, std::move(detail)});
    };
    pods::WantedPod wanted = wanted_pod(key, *pod, sandboxes.of_pod(runtime_uid(*pod)));
    if (pod->host_network) {
      refuse(Reason::host_network, "spec.hostNetwork is true: the pod shares the node's namespace");
    } else if (wanted.netns_path.empty()) {
      refuse(Reason::netns_invalid,
             "the pod's network namespace is unknown: no container runtime has told it yet, and "
             "there is no annotation " +
                 std::string(model::kNetnsAnnotation));
    } else if (wanted.addresses.empty()) {
      refuse(Reason::address_mismatch, "the pod has no address yet");
    } else {
      selection.wanted.push_back(std::move(wanted));
    }
  }
  return selection;
}

}  // namespace keelson
