// Kinds that only place other objects: Namespace, Node, ServiceAccount; and the mesh label.
#include "model/decode_kinds.h"

namespace keelson::model {

void check_mesh_label(DecodeContext& context, const Labels& labels, uint32_t line) {
  const auto label = labels.find(std::string(kMeshLabel));
  if (label == labels.end() || label->second == "enabled" || label->second == "disabled") return;
  context.warn(Reason::bad_value, line,
               "label " + std::string(kMeshLabel) + " is '" + label->second + "' and has no effect",
               "use enabled or disabled");
}

bool decode_is_tcp(FieldReader& port) {
  const auto protocol = port.string("protocol");
  if (!protocol || *protocol == "TCP") return true;
  if (*protocol != "UDP" && *protocol != "SCTP")
    port.refuse(Reason::bad_value, port.line(), "protocol", "'" + *protocol + "' does not exist",
                "use TCP, UDP or SCTP");
  return false;
}

Shared<Namespace> decode_namespace(FieldReader& root, ObjectMeta meta) {
  check_mesh_label(root.context(), meta.labels, root.line());
  auto object = std::make_shared<Namespace>();
  object->meta = std::move(meta);
  return object;
}

Shared<ServiceAccount> decode_service_account(FieldReader&, ObjectMeta meta) {
  auto object = std::make_shared<ServiceAccount>();
  object->meta = std::move(meta);
  return object;
}

Shared<Node> decode_node(FieldReader& root, ObjectMeta meta) {
  auto object = std::make_shared<Node>();
  object->meta = std::move(meta);
  auto status = root.mapping("status");
  if (!status) return object;
  const auto* addresses = status->list("addresses");
  for (size_t i = 0; addresses != nullptr && i < addresses->size(); ++i) {
    FieldReader entry(root.context(), (*addresses)[i], status->item_path("addresses", i));
    if (entry.string("type") != "InternalIP") continue;
    if (const auto address = entry.address("address")) object->addresses.push_back(*address);
  }
  return object;
}

}  // namespace keelson::model
