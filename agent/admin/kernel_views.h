// What this node's kernel holds of Keelson, joined with the names that the mesh has for it, as JSON
// for `keelsonctl bpf`. Pure: an inventory's answers in, text out. Field names as in views.h.
//
// /v1/bpf/programs {runs_counted, programs:[{name, id, type, links, run_count, run_time_ns,
//                  memory_bytes}]}; links: how many places run it
// /v1/bpf/links    {links:[{pin, id, program, program_id, hook, kind, target, at, pod, state}]};
//                  kind: cgroup|netns|interface|filter; at: the target for people; pod: whose it
//                  is, empty at the cgroup root; state: attached|joining|leaving|pod_gone|
//                  target_gone; program: empty when another agent loaded it
// /v1/bpf/maps     {maps:[{name, id, type, key_bytes, value_bytes, entries, entries_max,
//                  memory_bytes}]}; without `entries`: the kernel lets nobody count them
// /v1/bpf/rows     {map, count, rows:[text]}: at most kRowsShownMax of them
#pragma once

#include <string>
#include <vector>

#include "admin/mesh_view.h"
#include "datapath/inventory.h"

namespace keelson::admin {

inline constexpr size_t kRowsShownMax = 10'000;

std::string programs_json(const datapath::KernelPrograms& programs,
                          const std::vector<datapath::KernelLink>& links);
std::string links_json(const MeshView& view, const datapath::KernelPrograms& programs,
                       const std::vector<datapath::KernelLink>& links);
std::string maps_json(const std::vector<datapath::KernelMap>& maps);
std::string rows_json(const MeshView& view, std::string_view map, const compile::Rows& rows);

}  // namespace keelson::admin
