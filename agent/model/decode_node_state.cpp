#include "model/decode_kinds.h"

namespace keelson::model {
namespace {

std::string required(FieldReader& entry, std::string_view field) {
  const auto text = entry.string(field);
  if ((!text || text->empty()) && !entry.context().bad)
    entry.refuse(Reason::missing_field, entry.line(), field, "is missing", "add it");
  return text.value_or("");
}

NodeStatePod decode_entry(FieldReader& entry) {
  NodeStatePod pod;
  pod.uid = required(entry, "uid");
  pod.ns = required(entry, "namespace");
  pod.name = required(entry, "name");
  pod.service_account = required(entry, "serviceAccount");
  const auto* addresses = entry.list("addresses");
  for (size_t i = 0; addresses != nullptr && i < addresses->size(); ++i)
    if (const auto address =
            address_item(entry.context(), (*addresses)[i], entry.item_path("addresses", i)))
      pod.addresses.push_back(*address);
  const std::string state = required(entry, "state");
  if (state == "ready")
    pod.state = PodState::kReady;
  else if (state == "leaving")
    pod.state = PodState::kLeaving;
  else if (state != "joining" && !state.empty())
    entry.refuse(Reason::bad_value, entry.line(), "state", "'" + state + "' does not exist",
                 "use joining, ready or leaving");
  entry.refuse_unknown();
  return pod;
}

}  // namespace

Shared<NodeState> decode_node_state(FieldReader& root, ObjectMeta meta) {
  auto object = std::make_shared<NodeState>();
  object->meta = std::move(meta);
  const auto retired = object->meta.annotations.find(std::string(kRetiredAnnotation));
  if (retired != object->meta.annotations.end()) object->retired = retired->second;
  const auto* pods = root.list("pods");
  if (pods != nullptr) object->pods.reserve(pods->size());
  for (size_t i = 0; pods != nullptr && i < pods->size(); ++i) {
    FieldReader entry(root.context(), (*pods)[i], root.item_path("pods", i));
    object->pods.push_back(decode_entry(entry));
  }
  root.refuse_unknown();
  return object;
}

}  // namespace keelson::model
