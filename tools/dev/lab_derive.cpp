#include "lab_derive.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "lab_command.h"

namespace keelson::lab {

using nlohmann::json;

namespace {

constexpr const char* kIpv4 = "IPv4";
constexpr const char* kIpv6 = "IPv6";

bool selects(const json& selector, const json& pod) {
  const json labels = pod["metadata"].value("labels", json::object());
  for (const auto& [name, value] : selector.items())
    if (!labels.contains(name) || labels[name] != value) return false;
  return true;
}

// 0: the pod has no such port.
int resolve_port(const json& target, const json& pod) {
  if (target.is_number_integer()) return target.get<int>();
  for (const json& container : pod["spec"].value("containers", json::array()))
    for (const json& port : container.value("ports", json::array()))
      if (port.value("name", "") == target.get<std::string>())
        return port.value("containerPort", 0);
  return 0;
}

json slice_ports(const json& service, const json& pod) {
  json ports = json::array();
  for (const json& port : service["spec"].value("ports", json::array())) {
    int number = resolve_port(port.value("targetPort", port.value("port", json(0))), pod);
    if (number == 0) continue;
    json entry = {{"port", number}, {"protocol", port.value("protocol", "TCP")}};
    entry["name"] = port.value("name", "");
    if (port.contains("appProtocol")) entry["appProtocol"] = port["appProtocol"];
    ports.push_back(std::move(entry));
  }
  return ports;
}

json endpoint(const LabPod& pod, const std::string& address) {
  json target = {{"kind", "Pod"}, {"namespace", pod.ns}, {"name", pod.name}, {"uid", pod.uid}};
  return {{"addresses", {address}},
          {"conditions", {{"ready", pod.ready}, {"serving", pod.ready}, {"terminating", false}}},
          {"nodeName", pod.node},
          {"targetRef", target}};
}

// Pods that a Service selects; none without a selector.
std::vector<std::pair<const json*, const LabPod*>> selected(
    const json& service, const PodObjects& pods, const std::map<std::string, LabPod>& states) {
  std::vector<std::pair<const json*, const LabPod*>> found;
  const json selector = service["spec"].value("selector", json::object());
  if (!selector.is_object() || selector.empty()) return found;
  for (const json* pod : pods)
    if ((*pod)["metadata"]["namespace"] == service["metadata"]["namespace"] &&
        selects(selector, *pod))
      found.emplace_back(pod, &states.at((*pod)["metadata"]["name"].get<std::string>()));
  return found;
}

// "$(NAME)" as kubelet expands it; an unknown name stays as it is written.
std::string expand(std::string text, const std::map<std::string, std::string>& environment) {
  for (size_t at = 0; (at = text.find("$(", at)) != std::string::npos;) {
    size_t end = text.find(')', at);
    if (end == std::string::npos) break;
    std::string name = text.substr(at + 2, end - at - 2);
    auto found = environment.find(name);
    const char* inherited = std::getenv(name.c_str());
    if (found == environment.end() && inherited == nullptr) {
      at = end;
      continue;
    }
    std::string value = found == environment.end() ? inherited : found->second;
    text.replace(at, end + 1 - at, value);
    at += value.size();
  }
  return text;
}

}  // namespace

std::string make_uid() {
  auto uid = read_text("/proc/sys/kernel/random/uuid");
  return uid ? uid->substr(0, 36) : std::string();
}

Result<std::vector<PodProgram>> pod_programs(const json& pod_spec) {
  std::vector<PodProgram> programs;
  try {
    for (const json& container : pod_spec.value("containers", json::array())) {
      PodProgram program;
      program.container = container.value("name", "main");
      program.working_dir = container.value("workingDir", "");
      for (const json& variable : container.value("env", json::array()))
        program.environment[variable.at("name")] = variable.value("value", "");
      for (const char* part : {"command", "args"})
        for (const json& word : container.value(part, json::array()))
          program.argv.push_back(expand(word.get<std::string>(), program.environment));
      // No command: the image's own would run; a lab has no images, so the pod idles.
      if (!program.argv.empty()) programs.push_back(std::move(program));
    }
  } catch (const json::exception& error) {
    return fail(Reason::wrong_type, ErrorSource::kConfig,
                fmt::format("spec.containers: {}", error.what()));
  }
  return programs;
}

int readiness_port(const json& pod_spec) {
  json pod = {{"spec", pod_spec}};
  for (const json& container : pod_spec.value("containers", json::array())) {
    const json probe = container.value("readinessProbe", json::object());
    for (const char* action : {"tcpSocket", "httpGet"})
      if (probe.contains(action) && probe[action].contains("port"))
        return resolve_port(probe[action]["port"], pod);
  }
  return 0;
}

json node_object(const Layout& layout, const std::string& node) {
  int number = layout.node_number(node);
  json addresses = json::array({{{"type", "InternalIP"}, {"address", node_address4(number)}},
                                {{"type", "InternalIP"}, {"address", node_address6(number)}},
                                {{"type", "Hostname"}, {"address", node}}});
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", {{"name", node}, {"uid", "node-" + node}}},
          {"status", {{"addresses", addresses}}}};
}

json default_account(const std::string& ns) {
  return {{"apiVersion", "v1"},
          {"kind", "ServiceAccount"},
          {"metadata", {{"name", "default"}, {"namespace", ns}, {"uid", "default-of-" + ns}}}};
}

json pod_object(const Layout& layout, const LabPod& pod, json written) {
  int number = layout.node_number(pod.node);
  std::string address4 = pod_address4(number, pod.slot);
  written["metadata"]["uid"] = pod.uid;
  written["metadata"]["annotations"]["keelson.dev/netns"] =
      netns_path(layout.netns(pod.node, pod.name));
  json& spec = written["spec"];
  spec["nodeName"] = pod.node;
  if (!spec.contains("serviceAccountName")) spec["serviceAccountName"] = "default";
  const char* ready = pod.ready ? "True" : "False";
  written["status"] = {
      {"phase", "Running"},
      {"hostIP", node_address4(number)},
      {"podIP", address4},
      {"podIPs", json::array({{{"ip", address4}}, {{"ip", pod_address6(number, pod.slot)}}})},
      {"conditions", json::array({{{"type", "PodScheduled"}, {"status", "True"}},
                                  {{"type", "Initialized"}, {"status", "True"}},
                                  {{"type", "ContainersReady"}, {"status", ready}},
                                  {{"type", "Ready"}, {"status", ready}}})}};
  return written;
}

std::vector<json> endpoint_slices(const Layout& layout, const json& service, const PodObjects& pods,
                                  const std::map<std::string, LabPod>& states) {
  const std::string name = service["metadata"]["name"];
  std::vector<json> slices;
  for (const char* family : {kIpv4, kIpv6}) {
    std::map<json, json> endpoints_by_ports;
    for (const auto& [object, pod] : selected(service, pods, states)) {
      int number = layout.node_number(pod->node);
      std::string address =
          family == kIpv4 ? pod_address4(number, pod->slot) : pod_address6(number, pod->slot);
      endpoints_by_ports[slice_ports(service, *object)].push_back(endpoint(*pod, address));
    }
    int index = 0;
    for (const auto& [ports, endpoints] : endpoints_by_ports) {
      std::string suffix = family == kIpv4 ? "ipv4" : "ipv6";
      if (index++ > 0) suffix += fmt::format("-{}", index);
      json labels = {{"kubernetes.io/service-name", name},
                     {"endpointslice.kubernetes.io/managed-by", "keelson-lab"}};
      slices.push_back({{"apiVersion", "discovery.k8s.io/v1"},
                        {"kind", "EndpointSlice"},
                        {"metadata",
                         {{"name", name + "-" + suffix},
                          {"namespace", service["metadata"]["namespace"]},
                          {"labels", labels}}},
                        {"addressType", family},
                        {"ports", ports},
                        {"endpoints", endpoints}});
    }
  }
  return slices;
}

std::vector<VirtualService> virtual_services_of(const json& service,
                                                const std::vector<json>& slices) {
  std::vector<VirtualService> found;
  for (const json& text : service["spec"].value("clusterIPs", json::array())) {
    auto cluster = IpAddress::parse(text.get<std::string>());
    if (!cluster) continue;  // "None": headless
    for (const json& port : service["spec"].value("ports", json::array())) {
      if (port.value("protocol", "TCP") != "TCP") continue;
      VirtualService entry{{*cluster, static_cast<uint16_t>(port.value("port", 0))}, {}};
      for (const json& slice : slices) {
        if ((slice["addressType"] == kIpv4) != cluster->is_v4()) continue;
        for (const json& target : slice["ports"]) {
          if (target["name"] != port.value("name", "")) continue;
          for (const json& backend : slice["endpoints"])
            if (auto address = IpAddress::parse(backend["addresses"][0].get<std::string>());
                address && backend["conditions"]["ready"] == true)
              entry.endpoints.push_back({*address, target["port"].get<uint16_t>()});
        }
      }
      found.push_back(std::move(entry));
    }
  }
  return found;
}

std::string host_lines(const Layout& layout, const json& service, const std::string& from,
                       const PodObjects& pods, const std::map<std::string, LabPod>& states) {
  std::string name = service["metadata"]["name"], ns = service["metadata"]["namespace"];
  std::string names = fmt::format("{0}.{1}.svc.cluster.local {0}.{1}.svc {0}.{1}", name, ns);
  if (ns == from) names += " " + name;
  std::vector<std::string> addresses;
  for (const json& address : service["spec"].value("clusterIPs", json::array()))
    if (address != "None") addresses.push_back(address);
  if (addresses.empty())
    for (const auto& [object, pod] : selected(service, pods, states)) {
      if (!pod->ready) continue;
      addresses.push_back(pod_address4(layout.node_number(pod->node), pod->slot));
      addresses.push_back(pod_address6(layout.node_number(pod->node), pod->slot));
    }
  std::string lines;
  for (const std::string& address : addresses) lines += address + " " + names + "\n";
  return lines;
}

}  // namespace keelson::lab
