#include "model/decode_kinds.h"

namespace keelson::model {
namespace {

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";

void decode_ports(FieldReader& root, EndpointSlice& slice) {
  const auto* ports = root.list("ports");
  for (size_t i = 0; ports != nullptr && i < ports->size(); ++i) {
    FieldReader entry(root.context(), (*ports)[i], root.item_path("ports", i));
    SlicePort port;
    port.name = entry.string("name").value_or("");
    port.is_tcp = decode_is_tcp(entry);
    const auto number = entry.port("port");
    if (!number) {
      // discovery/v1: no number means all ports, which only unusual controllers write.
      if (!entry.has("port"))
        entry.context().warn(Reason::unsupported_field, entry.line(),
                             entry.path() + " has no port and is left out", "add port");
      continue;
    }
    port.port = *number;
    slice.ports.push_back(std::move(port));
  }
}

SliceEndpoint decode_endpoint(FieldReader& entry) {
  SliceEndpoint endpoint;
  const auto* addresses = entry.list("addresses");
  for (size_t i = 0; addresses != nullptr && i < addresses->size(); ++i)
    if (const auto address =
            address_item(entry.context(), (*addresses)[i], entry.item_path("addresses", i)))
      endpoint.addresses.push_back(*address);
  if (auto conditions = entry.mapping("conditions")) {
    endpoint.ready = conditions->boolean("ready").value_or(true);
    endpoint.serving = conditions->boolean("serving").value_or(endpoint.ready);
    endpoint.terminating = conditions->boolean("terminating").value_or(false);
  }
  endpoint.node_name = entry.string("nodeName").value_or("");
  if (auto target = entry.mapping("targetRef"); target && target->string("kind") == "Pod")
    endpoint.pod_name = target->string("name").value_or("");
  return endpoint;
}

}  // namespace

Shared<EndpointSlice> decode_endpoint_slice(FieldReader& root, ObjectMeta meta) {
  auto slice = std::make_shared<EndpointSlice>();
  slice->meta = std::move(meta);
  const auto label = slice->meta.labels.find(std::string(kServiceNameLabel));
  if (label != slice->meta.labels.end()) slice->service_name = label->second;
  slice->meta.labels.clear();  // there are as many slices as Services; nothing selects them
  decode_ports(root, *slice);
  const auto type = root.string("addressType");
  if (type == "FQDN") {
    root.context().warn(Reason::unsupported_field, root.line(),
                        "addressType FQDN: the endpoints are left out", "use IPv4 or IPv6");
    return slice;
  }
  if (type && type != "IPv4" && type != "IPv6")
    root.refuse(Reason::bad_value, root.line(), "addressType", "'" + *type + "' does not exist",
                "use IPv4 or IPv6");
  const auto* endpoints = root.list("endpoints");
  if (endpoints != nullptr) slice->endpoints.reserve(endpoints->size());
  for (size_t i = 0; endpoints != nullptr && i < endpoints->size(); ++i) {
    FieldReader entry(root.context(), (*endpoints)[i], root.item_path("endpoints", i));
    slice->endpoints.push_back(decode_endpoint(entry));
  }
  return slice;
}

}  // namespace keelson::model
