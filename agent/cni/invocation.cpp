#include "cni/invocation.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

namespace keelson::cni {
namespace {

using json = nlohmann::ordered_json;  // prevResult leaves as it came

tl::unexpected<CniError> refuse(int code, std::string message, std::string details) {
  return tl::unexpected(CniError{code, std::move(message), std::move(details)});
}

std::string variable(const Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

Expected<Command> read_command(const Environment& environment) {
  static constexpr std::pair<std::string_view, Command> kCommands[] = {
      {"ADD", Command::kAdd},       {"DEL", Command::kDel}, {"CHECK", Command::kCheck},
      {"STATUS", Command::kStatus}, {"GC", Command::kGc},   {"VERSION", Command::kVersion}};
  const std::string name = variable(environment, "CNI_COMMAND");
  for (const auto& [known, command] : kCommands)
    if (name == known) return command;
  return refuse(kInvalidEnvironment, "CNI_COMMAND is '" + name + "'",
                "a container runtime sets it to ADD, DEL, CHECK, STATUS, GC or VERSION");
}

// "must start with an alphanumeric character, followed by alphanumeric characters, _, . or -"
bool is_container_id(std::string_view id) {
  const auto is_letter = [](char byte) { return std::isalnum(static_cast<unsigned char>(byte)); };
  return !id.empty() && is_letter(id[0]) && std::all_of(id.begin(), id.end(), [&](char byte) {
    return is_letter(byte) || byte == '_' || byte == '.' || byte == '-';
  });
}

Expected<void> read_variables(const Environment& environment, Invocation& call) {
  Attachment& attachment = call.attachment;
  attachment.container_id = variable(environment, "CNI_CONTAINERID");
  attachment.netns = variable(environment, "CNI_NETNS");
  attachment.ifname = variable(environment, "CNI_IFNAME");
  std::string wrong;
  if (!is_container_id(attachment.container_id)) wrong += " CNI_CONTAINERID";
  if (attachment.netns.empty() && call.command != Command::kDel) wrong += " CNI_NETNS";
  if (attachment.ifname.empty() || attachment.ifname.size() > 15) wrong += " CNI_IFNAME";
  if (!wrong.empty())
    return refuse(kInvalidEnvironment, "missing or malformed:" + wrong,
                  "the container runtime sets them (CNI specification, section 2)");
  return {};
}

// K8S_POD_INFRA_CONTAINER_ID is not read: containerd and CRI-O set it to CNI_CONTAINERID.
// "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1;K8S_POD_UID=..."
void read_arguments(std::string_view text, Invocation& call) {
  while (!text.empty()) {
    const size_t end = text.find(';');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = pair.substr(0, equals);
    const std::string value(pair.substr(equals + 1));
    if (name == "K8S_POD_NAMESPACE") call.attachment.pod.ns = value;
    if (name == "K8S_POD_NAME") call.attachment.pod.name = value;
    if (name == "K8S_POD_UID") call.attachment.pod.uid = value;
  }
}

// Of 0.3.x as of 1.x: ips[].address is "10.244.1.5/24". Addresses of host-side interfaces (without
// a sandbox) are not the pod's.
std::vector<std::string> result_addresses(const json& result) {
  std::vector<std::string> addresses;
  const json& ips = result.value("ips", json::array());
  const json& interfaces = result.value("interfaces", json::array());
  for (const json& ip : ips) {
    const size_t index = ip.value("interface", interfaces.size());
    if (index < interfaces.size() && interfaces[index].value("sandbox", "").empty()) continue;
    const std::string address = ip.value("address", "");
    if (!address.empty()) addresses.push_back(address.substr(0, address.find('/')));
  }
  return addresses;
}

Expected<void> read_settings(const json& netconf, Invocation& call) {
  call.agent_socket = netconf.value("agentSocket", std::string(kDefaultAgentSocket));
  call.exempt_namespaces = netconf.value("exemptNamespaces", std::vector<std::string>());
  const int64_t seconds = netconf.value("timeoutSeconds", int64_t{kDefaultTimeoutSeconds});
  if (seconds < 1 || seconds > kTimeoutSecondsMax)
    return refuse(kInvalidConfig, "timeoutSeconds is " + std::to_string(seconds),
                  "write 1 to " + std::to_string(kTimeoutSecondsMax));
  call.attachment.timeout_seconds = static_cast<unsigned>(seconds);
  return {};
}

void read_valid_attachments(const json& netconf, Invocation& call) {
  for (const json& each : netconf.value("cni.dev/valid-attachments", json::array()))
    call.valid_containers.push_back(each.at("containerID").get<std::string>());
}

Expected<void> read_netconf(const json& netconf, Invocation& call) {
  call.cni_version = netconf.value("cniVersion", "0.1.0");
  if (std::find(kSupportedVersions.begin(), kSupportedVersions.end(), call.cni_version) ==
      kSupportedVersions.end())
    return refuse(kIncompatibleVersion, "cniVersion " + call.cni_version + " is not supported",
                  "keelson-cni is a chained plugin: use cniVersion 0.3.0 to 1.1.0");
  if (auto settings = read_settings(netconf, call); !settings) return settings;
  if (call.command == Command::kGc && !netconf.contains("cni.dev/valid-attachments"))
    return refuse(kInvalidConfig, "GC without cni.dev/valid-attachments",
                  "without the list nothing can be told to be stale");
  read_valid_attachments(netconf, call);
  if (!netconf.contains("prevResult") || netconf["prevResult"].is_null()) return {};
  const json& previous = netconf["prevResult"];
  call.attachment.addresses = result_addresses(previous);
  call.prev_result = previous.dump();
  return {};
}

}  // namespace

bool Invocation::is_exempt() const {
  return std::find(exempt_namespaces.begin(), exempt_namespaces.end(), attachment.pod.ns) !=
         exempt_namespaces.end();
}

Expected<Invocation> read_invocation(const Environment& environment, std::string_view netconf) {
  Invocation call;
  const auto command = read_command(environment);
  if (!command) return tl::unexpected(command.error());
  call.command = *command;
  if (call.command == Command::kVersion) {
    call.cni_version = answered_version(netconf);
    return call;
  }
  const bool names_a_container = call.command != Command::kStatus && call.command != Command::kGc;
  if (names_a_container) {
    if (auto read = read_variables(environment, call); !read) return tl::unexpected(read.error());
    read_arguments(variable(environment, "CNI_ARGS"), call);
  }
  try {
    const auto read = read_netconf(json::parse(netconf), call);
    if (!read) return tl::unexpected(read.error());
  } catch (const json::exception& error) {
    return refuse(kUndecodable, "the network configuration cannot be read", error.what());
  }
  if (call.command == Command::kAdd && !call.prev_result)
    return refuse(kInvalidConfig, "no prevResult",
                  "keelson-cni makes no interface: chain it after the plugin that does");
  return call;
}

std::string answered_version(std::string_view netconf) {
  const json value = json::parse(netconf, nullptr, false);
  if (value.is_object())
    if (const auto version = value.find("cniVersion");
        version != value.end() && version->is_string())
      return version->get<std::string>();
  return std::string(kCurrentVersion);
}

}  // namespace keelson::cni
