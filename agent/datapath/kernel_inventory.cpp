#include "datapath/kernel_inventory.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "base/fd.h"
#include "datapath/map_reading.h"
#include "datapath/tc_filter.h"

namespace keelson::datapath {
namespace {

constexpr const char* kMapPrefix = "ks_";  // of pins; all others are links

// proc(5), fdinfo of a program or map: "memlock:\t4096".
uint64_t memory_of(int fd) {
  std::ifstream lines("/proc/self/fdinfo/" + std::to_string(fd));
  constexpr std::string_view kName = "memlock:";
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(kName)) return std::strtoull(&line[kName.size()], nullptr, 10);
  return 0;
}

bool are_runs_counted() {
  std::ifstream file("/proc/sys/kernel/bpf_stats_enabled");
  int value = 0;
  return file >> value && value != 0;
}

std::string text_or_number(const char* text, uint32_t number) {
  return text != nullptr ? text : std::to_string(number);
}

template <class Info>
Result<Info> info_of(int fd, const std::string& what) {
  Info info{};
  __u32 length = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0)
    return fail_errno(Reason::io_error, errno, what);
  return info;
}

Result<uint32_t> link_id(const Fd& link) {
  KS_ASSIGN(const auto info, info_of<bpf_link_info>(link.get(), "link"));
  return info.id;
}

LinkKind kind_of(uint32_t link_type) {
  switch (link_type) {
    case BPF_LINK_TYPE_CGROUP:
      return LinkKind::kCgroup;
    case BPF_LINK_TYPE_NETNS:
      return LinkKind::kNetns;
    default:
      return LinkKind::kInterface;
  }
}

std::string hook_of(const LinkTarget& link) {
  if (kind_of(link.link_type) == LinkKind::kInterface) return "ingress";
  switch (link.attach_type) {
    case BPF_CGROUP_INET4_CONNECT:
      return "connect4";
    case BPF_CGROUP_INET6_CONNECT:
      return "connect6";
    case BPF_CGROUP_INET4_GETPEERNAME:
      return "getpeername4";
    case BPF_CGROUP_INET6_GETPEERNAME:
      return "getpeername6";
    case BPF_CGROUP_SOCK_OPS:
      return "sock_ops";
    case BPF_SK_LOOKUP:
      return "sk_lookup";
    default:
      return std::to_string(link.attach_type);
  }
}

std::string interface_name(uint64_t ifindex) {
  char name[IF_NAMESIZE] = "";
  return ::if_indextoname(static_cast<unsigned>(ifindex), name) == nullptr ? "" : name;
}

Result<uint64_t> count_rows(const Fd& map, const bpf_map_info& info) {
  uint64_t rows = 0;
  KS_TRY(for_each_row(map, info.key_size, info.value_size,
                      [&rows](std::string_view, std::string_view) { ++rows; }));
  return rows;
}

uint64_t count_sockets(const Fd& map, const bpf_map_info& info) {
  uint64_t sockets = 0;
  for (__u32 index = 0; index < info.max_entries; ++index) {
    uint64_t cookie = 0;
    if (bpf_map_lookup_elem(map.get(), &index, &cookie) == 0) ++sockets;
  }
  return sockets;
}

Result<std::optional<uint64_t>> count_entries(const Fd& map, const bpf_map_info& info) {
  switch (info.type) {
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LPM_TRIE: {
      KS_ASSIGN(const uint64_t rows, count_rows(map, info));
      return std::optional(rows);
    }
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return std::optional<uint64_t>(info.max_entries);
    case BPF_MAP_TYPE_SOCKMAP:
      return std::optional(count_sockets(map, info));
    default:  // socket storage, ring buffer
      return std::optional<uint64_t>();
  }
}

}  // namespace

Result<KernelPrograms> KernelInventory::programs() const {
  KernelPrograms found;
  found.runs_counted = are_runs_counted();
  for (const int fd : loader_.programs()) {
    KS_ASSIGN(const auto info, info_of<bpf_prog_info>(fd, "program"));
    const auto type = static_cast<bpf_prog_type>(info.type);
    found.list.push_back({info.name, info.id,
                          text_or_number(libbpf_bpf_prog_type_str(type), info.type), info.run_cnt,
                          info.run_time_ns, memory_of(fd)});
  }
  return found;
}

Result<std::vector<KernelLink>> KernelInventory::links() const {
  std::vector<KernelLink> links;
  for (std::string& name : loader_.pins().list("")) {
    if (name.starts_with(kMapPrefix)) continue;
    const Fd link(bpf_obj_get((loader_.pins().folder() + "/" + name).c_str()));
    if (!link) continue;
    KS_ASSIGN(const uint32_t id, link_id(link));
    KS_ASSIGN(const LinkTarget at, read_link(link));
    const LinkKind kind = kind_of(at.link_type);
    links.push_back({std::move(name), id, at.program_id, kind, hook_of(at), at.target,
                     kind == LinkKind::kInterface ? interface_name(at.target) : ""});
  }
  if (!loader_.uses_tcx()) KS_TRY(add_filters(links));
  return links;
}

// Filters of a qdisc have no pins: looked for at each interface that the source check knows.
Result<void> KernelInventory::add_filters(std::vector<KernelLink>& links) const {
  KS_ASSIGN(const compile::Rows rows, maps_.read("ks_interface"));
  for (const auto& [row, value] : rows) {
    const auto ifindex = compile::value_of<uint32_t>(row.key);
    if (const auto program = clsact_program(ifindex))
      links.push_back(
          {"", 0, *program, LinkKind::kFilter, "ingress", ifindex, interface_name(ifindex)});
  }
  return {};
}

Result<std::vector<KernelMap>> KernelInventory::maps() const {
  std::vector<KernelMap> maps;
  for (const std::string& name : loader_.pins().list(kMapPrefix)) {
    const auto fd = loader_.pins().open_map_read_only(name);
    if (!fd && fd.error().os_errno == ENOENT) continue;
    if (!fd) return Failure(fd.error());
    KS_ASSIGN(const auto info, info_of<bpf_map_info>(fd->get(), name));
    KS_ASSIGN(const auto entries, count_entries(*fd, info));
    const auto type = static_cast<bpf_map_type>(info.type);
    maps.push_back({name, info.id, text_or_number(libbpf_bpf_map_type_str(type), info.type),
                    info.key_size, info.value_size, entries, info.max_entries,
                    memory_of(fd->get())});
  }
  return maps;
}

}  // namespace keelson::datapath
