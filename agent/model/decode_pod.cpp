#include <algorithm>
#include <array>
#include <charconv>

#include "model/decode_kinds.h"
#include "model/name_rules.h"

namespace keelson::model {
namespace {

using document::Value;

struct ProbeReader {
  Pod& pod;
  const std::vector<ContainerPort>& ports;  // of the same container, where names are looked up

  // `handler` holds httpGet, tcpSocket or grpc, each with a port that is a number or a name.
  void read(FieldReader& handler) {
    for (const std::string_view action : {"httpGet", "tcpSocket", "grpc"}) {
      auto target = handler.mapping(action);
      if (!target) continue;
      const Value* port = target->find("port");
      if (port == nullptr || port->is_null()) continue;
      if (!port->is_string()) {
        if (const auto number = target->port("port")) pod.probe_ports.push_back(*number);
        continue;
      }
      const auto named = std::ranges::find_if(
          ports, [port](const ContainerPort& p) { return p.name == port->text(); });
      if (named != ports.end())
        pod.probe_ports.push_back(named->port);
      else
        handler.context().warn(
            Reason::dangling_reference, port->line(),
            target->path_of("port") + " names no port of this container: '" + port->text() + "'",
            "name a port from the container's ports; the probe will be refused");
    }
  }
};

std::vector<ContainerPort> decode_container_ports(FieldReader& container) {
  std::vector<ContainerPort> ports;
  const auto* list = container.list("ports");
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    FieldReader entry(container.context(), (*list)[i], container.item_path("ports", i));
    ContainerPort port;
    port.name = entry.string("name").value_or("");
    port.is_tcp = decode_is_tcp(entry);
    const auto number = entry.port("containerPort");
    if (!number && !entry.context().bad)
      entry.refuse(Reason::missing_field, entry.line(), "containerPort", "is missing", "add it");
    port.port = number.value_or(0);
    ports.push_back(std::move(port));
  }
  return ports;
}

void decode_containers(FieldReader& spec, std::string_view field, Pod& pod) {
  const auto* containers = spec.list(field);
  for (size_t i = 0; containers != nullptr && i < containers->size(); ++i) {
    FieldReader container(spec.context(), (*containers)[i], spec.item_path(field, i));
    const auto ports = decode_container_ports(container);
    ProbeReader probes{pod, ports};
    for (const std::string_view name : {"livenessProbe", "readinessProbe", "startupProbe"})
      if (auto probe = container.mapping(name)) probes.read(*probe);
    if (auto lifecycle = container.mapping("lifecycle"))
      for (const std::string_view name : {"postStart", "preStop"})
        if (auto hook = lifecycle->mapping(name)) probes.read(*hook);
    pod.ports.insert(pod.ports.end(), ports.begin(), ports.end());
  }
}

void decode_addresses(FieldReader& status, Pod& pod) {
  const auto* ips = status.list("podIPs");
  for (size_t i = 0; ips != nullptr && i < ips->size(); ++i) {
    FieldReader entry(status.context(), (*ips)[i], status.item_path("podIPs", i));
    if (const auto address = entry.address("ip")) pod.addresses.push_back(*address);
  }
  if (!pod.addresses.empty()) return;
  if (const auto address = status.address("podIP")) pod.addresses.push_back(*address);
}

void decode_status(FieldReader& status, Pod& pod) {
  decode_addresses(status, pod);
  const auto phase = status.string("phase");
  pod.terminal = phase == "Succeeded" || phase == "Failed";
  pod.ready = !pod.addresses.empty() && !pod.terminal;
  const auto* conditions = status.list("conditions");
  if (conditions == nullptr) return;
  bool is_ready = false;
  for (size_t i = 0; i < conditions->size(); ++i) {
    FieldReader entry(status.context(), (*conditions)[i], status.item_path("conditions", i));
    if (entry.string("type") == "Ready") is_ready = entry.string("status") == "True";
  }
  pod.ready = pod.ready && is_ready;
}

// metadata.ownerReferences: at most one is the controller.
std::string decode_controller_uid(FieldReader& metadata) {
  const auto* owners = metadata.list("ownerReferences");
  for (size_t i = 0; owners != nullptr && i < owners->size(); ++i) {
    FieldReader owner(metadata.context(), (*owners)[i], metadata.item_path("ownerReferences", i));
    if (owner.boolean("controller").value_or(false)) return owner.string("uid").value_or("");
  }
  return {};
}

void decode_excluded_ports(DecodeContext& context, Pod& pod, uint32_t line) {
  const auto annotation = pod.meta.annotations.find(std::string(kExcludeOutboundPortsAnnotation));
  if (annotation == pod.meta.annotations.end()) return;
  std::string_view rest = annotation->second;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), port);
    if (error == std::errc{} && end == item.data() + item.size() && port != 0)
      pod.excluded_outbound_ports.push_back(port);
    else  // the others count: a pod must not lose its place in the mesh by a slip of the pen
      context.warn(Reason::bad_value, line,
                   "annotation " + annotation->first + ": '" + std::string(item) +
                       "' is not a port, so it excludes none",
                   "write ports separated by commas, as in 3306,6379");
  }
}

void sort_unique(std::vector<uint16_t>& ports) {
  std::ranges::sort(ports);
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
}

}  // namespace

Shared<Pod> decode_pod(FieldReader& root, ObjectMeta meta) {
  auto pod = std::make_shared<Pod>();
  pod->meta = std::move(meta);
  check_mesh_label(root.context(), pod->meta.labels, root.line());
  if (auto metadata = root.mapping("metadata")) {
    const Value* deleted = metadata->find("deletionTimestamp");
    pod->deleting = deleted != nullptr && !deleted->is_null();
    pod->controller_uid = decode_controller_uid(*metadata);
  }
  pod->service_account = "default";
  if (auto spec = root.mapping("spec")) {
    pod->node_name = spec->string("nodeName").value_or("");
    auto account = spec->string("serviceAccountName");
    if (!account) account = spec->string("serviceAccount");  // the old name of the same field
    if (account && !account->empty()) pod->service_account = *account;
    if (!is_dns_subdomain(pod->service_account))
      spec->refuse(Reason::bad_value, spec->line(), "serviceAccountName", "is not a valid name",
                   "use lower-case letters, digits, '-' and '.'");
    pod->host_network = spec->boolean("hostNetwork").value_or(false);
    decode_containers(*spec, "initContainers", *pod);
    decode_containers(*spec, "containers", *pod);
  }
  if (auto status = root.mapping("status")) decode_status(*status, *pod);
  decode_excluded_ports(root.context(), *pod, root.line());
  sort_unique(pod->probe_ports);
  sort_unique(pod->excluded_outbound_ports);
  const auto netns = pod->meta.annotations.find(std::string(kNetnsAnnotation));
  if (netns != pod->meta.annotations.end()) pod->netns_path = netns->second;
  return pod;
}

}  // namespace keelson::model
