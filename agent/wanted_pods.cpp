#include "wanted_pods.h"

namespace keelson {
namespace {

const std::string kConfigHashAnnotation = "kubernetes.io/config.hash";
const std::string kConfigMirrorAnnotation = "kubernetes.io/config.mirror";

// Anybody may annotate a pod: what is no hash of the kubelet's (MD5, in hex) could be the uid of
// another pod, whose namespace this one would get.
bool is_config_hash(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

pods::WantedPod wanted_pod(const model::ObjectKey& key, const model::Pod& pod,
                           const pods::Sandbox* sandbox) {
  pods::WantedPod wanted{pod.meta.uid, key.ns + "/" + key.name, pod.netns_path, pod.addresses};
  if (sandbox == nullptr) return wanted;
  if (!sandbox->netns_path.empty()) wanted.netns_path = sandbox->netns_path;
  // After a restart of the sandbox the object still has the old ones for a while.
  if (!sandbox->addresses.empty()) wanted.addresses = sandbox->addresses;
  return wanted;
}

}  // namespace

const std::string& runtime_uid(const model::Pod& pod) {
  const auto& annotations = pod.meta.annotations;
  const auto hash = annotations.find(kConfigHashAnnotation);
  const auto mirror = annotations.find(kConfigMirrorAnnotation);
  const bool is_mirror = hash != annotations.end() && mirror != annotations.end() &&
                         hash->second == mirror->second && is_config_hash(hash->second);
  return is_mirror ? hash->second : pod.meta.uid;
}

PodSelection select_pods(const model::Snapshot& snapshot, const std::string& node_name,
                         const pods::Sandboxes& sandboxes) {
  PodSelection selection;
  for (const auto& [key, pod] : snapshot.pods) {
    if (pod->node_name != node_name || pod->terminal || !model::is_meshed(snapshot, *pod)) continue;
    const auto refuse = [&, &k = key, &uid = pod->meta.uid](Reason reason, std::string detail) {
      selection.refused.push_back({k.ns, k.name, uid, reason, std::move(detail)});
    };
    const pods::Sandbox* const sandbox = sandboxes.of_pod(runtime_uid(*pod));
    pods::WantedPod wanted = wanted_pod(key, *pod, sandbox);
    if (pod->host_network) {
      refuse(Reason::host_network, "spec.hostNetwork is true: the pod shares the node's namespace");
    } else if (sandbox != nullptr && wanted.netns_path.empty()) {
      selection.wanted.push_back(std::move(wanted));  // it may be in the mesh: then it stays
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
