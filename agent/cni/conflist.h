// Conflist: which file of a CNI folder the container runtime follows, and the file of our own that
// is put before it: the same network with keelson-cni chained last. The other file is never edited.
// As libcni and containerd read it: of *.conf, *.conflist and *.json the first by name. Pure, any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::cni {

// Sorts before what people install (05-cilium, 10-calico, 10-flannel, 10-kindnet, 87-podman).
inline constexpr std::string_view kConflistName = "00-keelson.conflist";

struct PluginSettings {  // written into our own plugin's object; see invocation.h
  std::string agent_socket;
  unsigned timeout_seconds = 20;
  std::vector<std::string> exempt_namespaces;
};

bool is_configuration_name(std::string_view file_name) noexcept;
// The first by name that is not ours; empty: there is none.
std::string primary_of(const std::vector<std::string>& file_names);

// Of a file with our name: it chains keelson-cni, or nobody can read it.
bool is_ours(std::string_view text);

// `text` is the primary's, a list or (*.conf, *.json) a single plugin. Name, versions and every
// other field stay; an older entry of ours in it is replaced. Error: file_unreadable (no JSON),
// missing_field, bad_value: the runtime cannot use it either, or cannot chain it.
Result<std::string> chain_after(std::string_view file_name, std::string_view text,
                                const PluginSettings& settings);

}  // namespace keelson::cni
