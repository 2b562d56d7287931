#include "wanted_pods.h"

namespace keelson {

PodSelection select_pods(const model::Snapshot& snapshot, const std::string& node_name) {
  PodSelection selection;
  for (const auto& [key, pod] : snapshot.pods) {
    if (pod->node_name != node_name || pod->terminal || !model::is_meshed(snapshot, *pod)) continue;
    const auto refuse = [&, &k = key](Reason reason, std::string detail) {
      selection.refused.push_back({k.ns, k.name, pod->meta.uid, reason, std::move(detail)});
    };
    if (pod->host_network) {
      refuse(Reason::host_network, "spec.hostNetwork is true: the pod shares the node's namespace");
    } else if (pod->netns_path.empty()) {
      refuse(Reason::netns_invalid, "the pod has no annotation " +
                                        std::string(model::kNetnsAnnotation) +
                                        " yet, so its network namespace is unknown");
    } else if (pod->addresses.empty()) {
      refuse(Reason::address_mismatch, "the pod has no address yet");
    } else {
      selection.wanted.push_back(
          {pod->meta.uid, key.ns + "/" + key.name, pod->netns_path, pod->addresses});
    }
  }
  return selection;
}

}  // namespace keelson
