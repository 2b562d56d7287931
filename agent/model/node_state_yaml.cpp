#include "model/node_state_yaml.h"

#include "document/value.h"

namespace keelson::model {
namespace {

std::string_view state_text(PodState state) {
  switch (state) {
    case PodState::kJoining:
      return "joining";
    case PodState::kReady:
      return "ready";
    case PodState::kLeaving:
      return "leaving";
  }
  return "leaving";
}

}  // namespace

std::string to_yaml(const NodeState& state, const std::string& node_uid) {
  std::string text = "apiVersion: keelson.dev/v1alpha1\nkind: NodeState\nmetadata:\n  name: " +
                     document::quoted(state.meta.key.name) + "\n";
  if (!state.retired.empty())
    text += "  annotations: {" + std::string(kRetiredAnnotation) + ": " +
            document::quoted(state.retired) + "}\n";
  if (!node_uid.empty())
    text += "  ownerReferences: [{apiVersion: v1, kind: Node, name: " +
            document::quoted(state.meta.key.name) + ", uid: " + document::quoted(node_uid) + "}]\n";
  text += state.pods.empty() ? "pods: []\n" : "pods:\n";
  for (const NodeStatePod& pod : state.pods) {
    text += "- {uid: " + document::quoted(pod.uid) + ", namespace: " + document::quoted(pod.ns) +
            ", name: " + document::quoted(pod.name) +
            ", serviceAccount: " + document::quoted(pod.service_account) + ", addresses: [";
    for (size_t i = 0; i < pod.addresses.size(); ++i)
      text += (i == 0 ? "" : ", ") + document::quoted(pod.addresses[i].to_string());
    text += "], state: " + std::string(state_text(pod.state)) + "}\n";
  }
  return text;
}

}  // namespace keelson::model
