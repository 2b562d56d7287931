// What a control plane derives from objects that people write: the complete Pod, Node and
// ServiceAccount objects, EndpointSlices, name resolution. Pure functions over JSON (but for
// make_uid); used by lab_objects.cpp only.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "lab_objects.h"

namespace keelson::lab {

using PodObjects = std::vector<const nlohmann::json*>;

std::string make_uid();
Result<std::vector<PodProgram>> pod_programs(const nlohmann::json& pod_spec);
int readiness_port(const nlohmann::json& pod_spec);

nlohmann::json node_object(const Layout& layout, const std::string& node);
nlohmann::json default_account(const std::string& ns);
nlohmann::json pod_object(const Layout& layout, const LabPod& pod, nlohmann::json written);

// One slice for each family and set of ports (pods may resolve a named port differently).
std::vector<nlohmann::json> endpoint_slices(const Layout& layout, const nlohmann::json& service,
                                            const PodObjects& pods,
                                            const std::map<std::string, LabPod>& states);
std::vector<VirtualService> virtual_services_of(const nlohmann::json& service,
                                                const std::vector<nlohmann::json>& slices);
// Lines of /etc/hosts for a Service as seen from a namespace.
std::string host_lines(const Layout& layout, const nlohmann::json& service, const std::string& from,
                       const PodObjects& pods, const std::map<std::string, LabPod>& states);

}  // namespace keelson::lab
