#include "cni/conflist.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cni/invocation.h"

namespace keelson::cni {
namespace {

using json = nlohmann::ordered_json;

Failure refuse(Reason reason, std::string_view file_name, std::string what) {
  return fail(reason, ErrorSource::kConfig, std::string(file_name) + ": " + std::move(what));
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// 0.3.0 brought chains; an absent version means 0.1.0.
bool can_chain(const json& list) {
  const auto is_known = [](const json& version) {
    return version.is_string() && std::find(kSupportedVersions.begin(), kSupportedVersions.end(),
                                            version.get<std::string>()) != kSupportedVersions.end();
  };
  const auto versions = list.find("cniVersions");
  const bool has_one_known = versions != list.end() && versions->is_array() &&
                             std::any_of(versions->begin(), versions->end(), is_known);
  return has_one_known || (list.contains("cniVersion") && is_known(list["cniVersion"]));
}

json plugin_object(const PluginSettings& settings) {
  return {{"type", kPluginType},
          {"agentSocket", settings.agent_socket},
          {"timeoutSeconds", settings.timeout_seconds},
          {"exemptNamespaces", settings.exempt_namespaces}};
}

// A single plugin's file as the list that libcni makes of it.
json list_of_one(const json& plugin) {
  json list = json::object();
  for (const char* key : {"cniVersion", "name"})
    if (plugin.contains(key)) list[key] = plugin[key];
  list["plugins"] = json::array({plugin});
  return list;
}

}  // namespace

bool is_configuration_name(std::string_view file_name) noexcept {
  return file_name.ends_with(".conf") || file_name.ends_with(".conflist") ||
         file_name.ends_with(".json");
}

std::string primary_of(const std::vector<std::string>& file_names) {
  std::string first;
  for (const std::string& name : file_names) {
    if (!is_configuration_name(name) || name == kConflistName) continue;
    if (first.empty() || name < first) first = name;
  }
  return first;
}

bool is_ours(std::string_view text) {
  const json list = json::parse(text, nullptr, false);
  if (!list.is_object()) return true;
  const auto plugins = list.find("plugins");
  return plugins != list.end() && plugins->is_array() &&
         std::any_of(plugins->begin(), plugins->end(), [](const json& plugin) {
           return plugin.is_object() && text_of(plugin, "type") == kPluginType;
         });
}

Result<std::string> chain_after(std::string_view file_name, std::string_view text,
                                const PluginSettings& settings) {
  const json file = json::parse(text, nullptr, false);
  if (!file.is_object())
    return refuse(Reason::file_unreadable, file_name, "no JSON object; pods cannot start with it");
  const bool is_list = file_name.ends_with(".conflist");
  if (!is_list && text_of(file, "type").empty())
    return refuse(Reason::missing_field, file_name,
                  "has no type; name a list of plugins *.conflist");
  json list = is_list ? file : list_of_one(file);
  if (text_of(list, "name").empty())
    return refuse(Reason::missing_field, file_name, "the network has no name");
  if (!list.contains("plugins") || !list["plugins"].is_array() || list["plugins"].empty())
    return refuse(Reason::missing_field, file_name,
                  "no list of plugins that keelson-cni could be chained after");
  if (!can_chain(list))
    return refuse(Reason::bad_value, file_name,
                  "cniVersion '" + text_of(list, "cniVersion") +
                      "' cannot chain plugins; write 0.3.0 to 1.1.0");
  json plugins = json::array();
  for (const json& plugin : list["plugins"])
    if (!plugin.is_object() || text_of(plugin, "type") != kPluginType) plugins.push_back(plugin);
  if (plugins.empty())
    return refuse(Reason::missing_field, file_name,
                  "names no plugin but " + std::string(kPluginType));
  plugins.push_back(plugin_object(settings));
  list["plugins"] = std::move(plugins);
  return list.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace keelson::cni
