#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "keelsonctl/checks.h"

namespace keelson::ctl {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kConfFolder = "/etc/cni/net.d";
constexpr const char* kOurs = "00-keelson.conflist";
constexpr const char* kPins = "/sys/fs/bpf/keelson";

struct Configuration {
  std::string file;
  std::set<std::string> plugins;  // their types
};

std::set<std::string> plugin_types(const Json& configuration) {
  std::set<std::string> types;
  const auto add = [&types](const Json& plugin) {
    if (plugin.is_object() && plugin.contains("type") && plugin["type"].is_string())
      types.insert(plugin["type"].get<std::string>());
  };
  add(configuration);
  if (configuration.is_object() && configuration.contains("plugins") &&
      configuration["plugins"].is_array())
    for (const Json& plugin : configuration["plugins"]) add(plugin);
  return types;
}

// In the order in which a container runtime looks at them; Keelson's own is left out.
std::vector<Configuration> configurations(const std::string& folder) {
  std::vector<Configuration> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    const std::string kind = entry.path().extension();
    if (name == kOurs || (kind != ".conf" && kind != ".conflist" && kind != ".json")) continue;
    std::ifstream file(entry.path());
    const std::string text(std::istreambuf_iterator<char>(file), {});
    found.push_back({name, plugin_types(Json::parse(text, nullptr, false))});
  }
  std::sort(found.begin(), found.end(),
            [](const Configuration& a, const Configuration& b) { return a.file < b.file; });
  return found;
}

// By the beginning of a plugin's type. From what these projects document, not run together.
struct Advice {
  std::string_view plugin, detail, fix;
};
constexpr Advice kAdvice[] = {
    {"cilium-cni",
     "Cilium moves the configurations of other plugins away as long as it runs; not tested "
     "together",
     "set cni.exclusive=false in Cilium, or install Keelson with --set cni.enabled=false"},
    {"multus",
     "Multus makes its configuration of the first other one, which would be Keelson's; not tested "
     "together",
     "name Multus's default network explicitly, or install Keelson with --set cni.enabled=false"},
    {"istio-cni", "Istio is on this node; a pod can be in one mesh only",
     "label no namespace of Istio's with keelson.dev/mesh=enabled, and pods with a "
     "sidecar keelson.dev/mesh=disabled"},
    {"linkerd-cni", "Linkerd is on this node; a pod can be in one mesh only",
     "label no namespace of Linkerd's with keelson.dev/mesh=enabled, and pods with a "
     "sidecar keelson.dev/mesh=disabled"},
};

Outcome check_primary(const std::vector<Configuration>& all) {
  if (!all.empty()) return good(all.front().file);
  return warning(std::string(kConfFolder) + " has no configuration: this node has no pod network",
                 "install the cluster's network plugin first; in a pod, check --pre --root /host");
}

Outcome check_leftovers(const std::string& root) {
  std::string left;
  std::error_code ignored;
  for (const std::string& path : {std::string(kConfFolder) + "/" + kOurs, std::string(kPins)})
    if (fs::exists(root + path, ignored)) left += (left.empty() ? "" : ", ") + path;
  if (left.empty()) return good("none");
  return warning(left + (left.find(", ") == std::string::npos ? " is" : " are") +
                     " there: Keelson is, or was, on this node",
                 "nothing, for an upgrade; else remove them when no agent runs");
}

}  // namespace

void check_network(const std::string& root, Checks& checks) {
  const auto all = configurations(root + kConfFolder);
  checks.push_back({"node", "a network plugin is configured", check_primary(all)});
  checks.push_back({"node", "no traces of an earlier installation", check_leftovers(root)});
  bool known = false;
  for (const Advice& advice : kAdvice)
    for (const Configuration& configuration : all) {
      if (std::none_of(configuration.plugins.begin(), configuration.plugins.end(),
                       [&](const std::string& type) { return type.starts_with(advice.plugin); }))
        continue;
      known = true;
      checks.push_back({"neighbours", "network plugin " + std::string(advice.plugin),
                        warning(configuration.file + ": " + std::string(advice.detail),
                                std::string(advice.fix))});
    }
  if (!known) checks.push_back({"neighbours", "network plugins that need a setting", good("none")});
}

}  // namespace keelson::ctl
