#include "admin/kernel_views.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "admin/json_text.h"
#include "compile/plan_text.h"

namespace keelson::admin {
namespace {

using Json = nlohmann::ordered_json;
using datapath::KernelLink;
using datapath::LinkKind;

std::string_view kind_name(LinkKind kind) noexcept {
  switch (kind) {
    case LinkKind::kCgroup:
      return "cgroup";
    case LinkKind::kNetns:
      return "netns";
    case LinkKind::kInterface:
      return "interface";
    case LinkKind::kFilter:
      return "filter";
  }
  return "unknown";
}

// kernfs: the root of a hierarchy has the id 1.
std::string place_of(const KernelLink& link) {
  if (link.target == 0) return "nothing any more";
  const std::string number = std::to_string(link.target);
  if (link.kind == LinkKind::kCgroup)
    return link.target == 1 ? "cgroup v2 root" : "cgroup " + number;
  if (link.kind == LinkKind::kNetns) return "netns " + number;
  return "interface " + (link.target_name.empty() ? number : link.target_name);
}

// The number at the end of a pin: "lookup_3" has a pod's slot, "source_12" an interface. It stays
// when the target is gone.
std::optional<uint32_t> number_of(const std::string& pin) {
  const char* const first = pin.data() + pin.rfind('_') + 1;
  const char* const last = pin.data() + pin.size();
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(first, last, number);
  return error == std::errc() && end == last ? std::optional(number) : std::nullopt;
}

bool belongs_to(const KernelLink& link, const compile::LocalPod& pod) {
  switch (link.kind) {
    case LinkKind::kCgroup:
      return false;
    case LinkKind::kNetns:
      return number_of(link.pin) == pod.slot;
    case LinkKind::kInterface:
      return pod.host_ifindex != 0 && number_of(link.pin) == pod.host_ifindex;
    case LinkKind::kFilter:
      return pod.host_ifindex != 0 && link.target == pod.host_ifindex;
  }
  return false;
}

struct Owner {
  std::string pod;  // "shop/web-1"; its uid when no object names it any more
  std::string_view state;
};

Owner owner_of(const MeshView& view, const KernelLink& link) {
  if (link.kind == LinkKind::kCgroup) return {"", link.target == 0 ? "target_gone" : "attached"};
  for (const auto* pods : {&view.facts.pods, &view.facts.open_pods}) {
    const auto local = std::find_if(pods->begin(), pods->end(), [&](const compile::LocalPod& pod) {
      return belongs_to(link, pod);
    });
    if (local == pods->end()) continue;
    Owner owner{local->uid, pods == &view.facts.pods ? "attached" : "leaving"};
    for (const auto& [key, pod] : view.snapshot.pods) {
      if (pod->meta.uid != local->uid) continue;
      owner.pod = pod_text(*pod);
      if (view.standing(*pod).membership == Membership::kJoining) owner.state = "joining";
    }
    if (link.target == 0) owner.state = "target_gone";
    return owner;
  }
  return {"", link.target == 0 ? "target_gone" : "pod_gone"};
}

std::string program_name(const datapath::KernelPrograms& programs, uint32_t id) {
  for (const auto& program : programs.list)
    if (program.id == id) return program.name;
  return {};
}

}  // namespace

std::string programs_json(const datapath::KernelPrograms& programs,
                          const std::vector<KernelLink>& links) {
  Json list = Json::array();
  for (const auto& program : programs.list)
    list.push_back({{"name", program.name},
                    {"id", program.id},
                    {"type", program.type},
                    {"links", std::count_if(links.begin(), links.end(),
                                            [&](const KernelLink& link) {
                                              return link.program_id == program.id;
                                            })},
                    {"run_count", program.run_count},
                    {"run_time_ns", program.run_time_ns},
                    {"memory_bytes", program.memory_bytes}});
  return json_text(Json{{"runs_counted", programs.runs_counted}, {"programs", std::move(list)}});
}

std::string links_json(const MeshView& view, const datapath::KernelPrograms& programs,
                       const std::vector<KernelLink>& links) {
  Json list = Json::array();
  for (const auto& link : links) {
    Owner owner = owner_of(view, link);
    list.push_back({{"pin", link.pin},
                    {"id", link.id},
                    {"program", program_name(programs, link.program_id)},
                    {"program_id", link.program_id},
                    {"hook", link.hook},
                    {"kind", kind_name(link.kind)},
                    {"target", link.target},
                    {"at", place_of(link)},
                    {"pod", std::move(owner.pod)},
                    {"state", owner.state}});
  }
  return json_text(Json{{"links", std::move(list)}});
}

std::string maps_json(const std::vector<datapath::KernelMap>& maps) {
  Json list = Json::array();
  for (const auto& map : maps) {
    Json entry{{"name", map.name},
               {"id", map.id},
               {"type", map.type},
               {"key_bytes", map.key_bytes},
               {"value_bytes", map.value_bytes},
               {"entries_max", map.entries_max},
               {"memory_bytes", map.memory_bytes}};
    if (map.entries) entry["entries"] = *map.entries;
    list.push_back(std::move(entry));
  }
  return json_text(Json{{"maps", std::move(list)}});
}

std::string rows_json(const MeshView& view, std::string_view map, const compile::Rows& rows) {
  std::vector<std::string> lines;
  for (const auto& [row, value] : rows) {
    if (lines.size() == kRowsShownMax) break;
    lines.push_back(compile::row_text(row, value, view.plan.names));
  }
  std::sort(lines.begin(), lines.end());  // hashed keys have no order that a reader could follow
  return json_text(Json{{"map", map}, {"count", rows.size()}, {"rows", std::move(lines)}});
}

}  // namespace keelson::admin
