#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "model/decode_kinds.h"
#include "model/name_rules.h"

namespace keelson::model {
namespace {

using document::Value;

constexpr auto kProtocols = std::to_array<std::pair<std::string_view, AppProtocol>>({
    {"http", AppProtocol::kHttp1},
    {"http1", AppProtocol::kHttp1},
    {"kubernetes.io/ws", AppProtocol::kHttp1},
    {"grpc-web", AppProtocol::kHttp1},
    {"http2", AppProtocol::kHttp2},
    {"h2c", AppProtocol::kHttp2},
    {"kubernetes.io/h2c", AppProtocol::kHttp2},
    {"grpc", AppProtocol::kHttp2},
});

// Istio's rule: appProtocol wins; else the port is called PROTOCOL or PROTOCOL-anything.
AppProtocol protocol_of(const std::optional<std::string>& app_protocol, std::string_view name) {
  for (const auto& [word, protocol] : kProtocols) {
    if (app_protocol) {
      if (*app_protocol == word) return protocol;
    } else if (name == word ||
               (name.starts_with(word) && name.substr(word.size()).starts_with('-'))) {
      // "grpc-web" stands before "grpc" in the list, "http" needs its dash.
      return protocol;
    }
  }
  return AppProtocol::kTcp;
}

void decode_target_port(FieldReader& entry, ServicePort& port) {
  const Value* target = entry.find("targetPort");
  if (target == nullptr || target->is_null()) {
    port.target_port = port.port;
  } else if (target->is_string()) {
    port.target_name = target->text();
    if (!is_port_name(port.target_name))
      entry.refuse(Reason::bad_value, target->line(), "targetPort",
                   "'" + port.target_name + "' is not a port name",
                   "write a number without quotes, or the name of a container port");
  } else {
    port.target_port = entry.port("targetPort").value_or(0);
  }
}

void decode_ports(FieldReader& spec, Service& service) {
  const auto* ports = spec.list("ports");
  std::set<std::string> names;
  for (size_t i = 0; ports != nullptr && i < ports->size(); ++i) {
    FieldReader entry(spec.context(), (*ports)[i], spec.item_path("ports", i));
    ServicePort port;
    port.name = entry.string("name").value_or("");
    port.is_tcp = decode_is_tcp(entry);
    const auto number = entry.port("port");
    if (!number && !entry.has("port"))
      entry.refuse(Reason::missing_field, entry.line(), "port", "is missing", "add it");
    port.port = number.value_or(0);
    decode_target_port(entry, port);
    const auto app_protocol = entry.string("appProtocol");
    port.app_protocol = protocol_of(app_protocol, port.name);
    port.is_declared = app_protocol.has_value();
    if (port.name.empty() && ports->size() > 1)
      entry.refuse(Reason::missing_field, entry.line(), "name", "is missing",
                   "name every port of a Service with more than one");
    else if (!names.insert(port.name).second)
      entry.refuse(Reason::bad_value, entry.line(), "name", "'" + port.name + "' is used twice",
                   "give each port its own name");
    service.ports.push_back(std::move(port));
  }
}

void decode_cluster_ips(FieldReader& spec, Service& service) {
  if (const auto* ips = spec.list("clusterIPs"); ips != nullptr && !ips->empty()) {
    for (size_t i = 0; i < ips->size(); ++i) {
      if ((*ips)[i].text() == "None")
        service.headless = true;
      else if (const auto address =
                   address_item(spec.context(), (*ips)[i], spec.item_path("clusterIPs", i)))
        service.cluster_ips.push_back(*address);
    }
    return;
  }
  const Value* ip = spec.find("clusterIP");
  if (ip == nullptr || ip->is_null() || ip->text().empty()) return;
  if (ip->text() == "None")
    service.headless = true;
  else if (const auto address = spec.address("clusterIP"))
    service.cluster_ips.push_back(*address);
}

}  // namespace

Shared<Service> decode_service(FieldReader& root, ObjectMeta meta) {
  auto service = std::make_shared<Service>();
  service->meta = std::move(meta);
  auto spec = root.mapping("spec");
  if (!spec) return service;
  service->external_name = spec->string("type") == "ExternalName";
  service->session_affinity = spec->string("sessionAffinity") == "ClientIP";
  service->internal_traffic_local = spec->string("internalTrafficPolicy") == "Local";
  service->publish_not_ready = spec->boolean("publishNotReadyAddresses").value_or(false);
  service->selector = spec->labels("selector").value_or(Labels{});
  if (!service->external_name) decode_cluster_ips(*spec, *service);
  decode_ports(*spec, *service);
  return service;
}

}  // namespace keelson::model
