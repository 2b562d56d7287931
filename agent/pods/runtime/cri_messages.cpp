#include "pods/runtime/cri_messages.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cri.pb.h"

namespace keelson::pods {
namespace {

namespace cri = runtime::v1;
using nlohmann::json;

template <class Message>
Result<Message> decode(std::string_view bytes) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(Reason::message_malformed, ErrorSource::kKube,
                "the container runtime's " + message.GetTypeName());
  return message;
}

// {"pid": 4711, "runtimeSpec": {"linux": {"namespaces": [{"type": "network", "path": "..."}]}}}
std::string netns_path(const std::string& info) {
  const json value = json::parse(info, nullptr, false);
  const json::json_pointer where("/runtimeSpec/linux/namespaces");
  if (value.is_object() && value.contains(where) && value[where].is_array())
    for (const json& each : value[where])
      if (each.is_object() && each.contains("type") && each["type"] == "network" &&
          each.contains("path") && each["path"].is_string() && each["path"] != "")
        return each["path"].get<std::string>();
  if (value.is_object() && value.contains("pid") && value["pid"].is_number_unsigned() &&
      value["pid"] > 0)
    return "/proc/" + std::to_string(value["pid"].get<uint32_t>()) + "/ns/net";
  return {};
}

void add_address(const std::string& text, std::vector<IpAddress>& addresses) {
  if (const auto address = IpAddress::parse(text)) addresses.push_back(*address);
}

}  // namespace

std::string encode_list_request() {
  cri::ListPodSandboxRequest request;
  request.mutable_filter()->mutable_state()->set_state(cri::SANDBOX_READY);
  return request.SerializeAsString();
}

Result<std::vector<Sandbox>> decode_list_response(std::string_view bytes) {
  KS_ASSIGN(const auto response, decode<cri::ListPodSandboxResponse>(bytes));
  std::vector<const cri::PodSandbox*> ready;
  for (const cri::PodSandbox& sandbox : response.items())
    if (sandbox.state() == cri::SANDBOX_READY) ready.push_back(&sandbox);
  std::sort(ready.begin(), ready.end(),
            [](auto* a, auto* b) { return a->created_at() < b->created_at(); });
  std::vector<Sandbox> listed;
  for (const cri::PodSandbox* sandbox : ready)
    listed.push_back({sandbox->id(), sandbox->metadata().uid(), "", {}});
  return listed;
}

std::string encode_status_request(const std::string& id) {
  cri::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(id);
  request.set_verbose(true);
  return request.SerializeAsString();
}

Result<std::optional<Sandbox>> decode_status_response(std::string_view bytes) {
  KS_ASSIGN(const auto response, decode<cri::PodSandboxStatusResponse>(bytes));
  const cri::PodSandboxStatus& status = response.status();
  const bool has_own_network = status.linux().namespaces().options().network() != cri::NODE;
  if (status.state() != cri::SANDBOX_READY || !has_own_network) return std::optional<Sandbox>();
  Sandbox sandbox{status.id(), status.metadata().uid(), "", {}};
  const auto info = response.info().find("info");
  if (info != response.info().end()) sandbox.netns_path = netns_path(info->second);
  add_address(status.network().ip(), sandbox.addresses);
  for (const cri::PodIP& ip : status.network().additional_ips())
    add_address(ip.ip(), sandbox.addresses);
  return std::optional<Sandbox>(std::move(sandbox));
}

}  // namespace keelson::pods
