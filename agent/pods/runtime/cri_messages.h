// Messages of the Container Runtime Interface (runtime.v1), as bytes on one side and plain structs
// on the other; the generated types stay in the .cpp. containerd 1.6 to 2.x and CRI-O put the OCI
// spec and the pid of the sandbox as JSON under "info" of a verbose status. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pods/sandboxes.h"

namespace keelson::pods {

inline constexpr std::string_view kListSandboxes = "/runtime.v1.RuntimeService/ListPodSandbox";
inline constexpr std::string_view kSandboxStatus = "/runtime.v1.RuntimeService/PodSandboxStatus";

std::string encode_list_request();  // running sandboxes only
// Their ids and uids alone, oldest first.
Result<std::vector<Sandbox>> decode_list_response(std::string_view bytes);

std::string encode_status_request(const std::string& id);
// Nothing: not running any more, or on the node's own network. Without a path: the runtime named
// neither the namespace nor a process; a process's is under /proc. Error: message_malformed.
Result<std::optional<Sandbox>> decode_status_response(std::string_view bytes);

}  // namespace keelson::pods
