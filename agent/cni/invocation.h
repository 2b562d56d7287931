// Invocation: one call of the plugin by a container runtime, read and checked: the environment
// variables and the network configuration on standard input (CNI specification 1.1, sections 1, 2
// and 5). prevResult is kept as it came and only looked into for addresses. Pure, any thread.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cni/messages.h"

namespace keelson::cni {

// 0.3.0 is the first version with chains; a chained plugin passes every later result through.
inline constexpr std::array<std::string_view, 5> kSupportedVersions{"0.3.0", "0.3.1", "0.4.0",
                                                                    "1.0.0", "1.1.0"};
inline constexpr std::string_view kCurrentVersion = "1.1.0";
inline constexpr std::string_view kPluginType = "keelson-cni";
inline constexpr std::string_view kDefaultAgentSocket = "/run/keelson/cni.sock";
inline constexpr unsigned kDefaultTimeoutSeconds = 20;
inline constexpr unsigned kTimeoutSecondsMax = 100;  // below the kubelet's limit of two minutes

enum class Command : uint8_t { kAdd, kDel, kCheck, kStatus, kGc, kVersion };

using Environment = std::map<std::string, std::string, std::less<>>;  // CNI_* only

struct Invocation {
  Command command = Command::kVersion;
  std::string cni_version{kCurrentVersion};
  std::string agent_socket{kDefaultAgentSocket};
  std::vector<std::string> exempt_namespaces;
  std::optional<std::string> prev_result;  // JSON, keys in their order
  Attachment attachment;
  std::vector<std::string> valid_containers;  // GC

  bool is_pod() const noexcept { return !attachment.pod.name.empty(); }
  // Starts also when the agent is away.
  bool is_exempt() const;
};

// Error: kInvalidEnvironment, kUndecodable, kInvalidConfig, kIncompatibleVersion.
Expected<Invocation> read_invocation(const Environment& environment, std::string_view netconf);

// The cniVersion that an answer to this input carries, also to an input that is refused.
std::string answered_version(std::string_view netconf);

}  // namespace keelson::cni
