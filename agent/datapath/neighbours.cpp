#include "datapath/neighbours.h"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>

#include "base/fd.h"
#include "datapath/cgroup_root.h"

namespace keelson::datapath {
namespace {

constexpr std::pair<bpf_attach_type, const char*> kHooks[] = {
    {BPF_CGROUP_INET4_CONNECT, "connect4"},
    {BPF_CGROUP_INET6_CONNECT, "connect6"},
    {BPF_CGROUP_INET4_GETPEERNAME, "getpeername4"},
    {BPF_CGROUP_INET6_GETPEERNAME, "getpeername6"},
    {BPF_CGROUP_SOCK_OPS, "sock_ops"},
};
constexpr size_t kProgramsMax = 512;  // the kernel takes 64 for each cgroup and hook

// What is known about who attaches there. Recorded from their sources, not run together.
struct Known {
  std::string_view prefix, project, fix;
};
constexpr std::string_view kCiliumFix =
    "set socketLB.hostNamespaceOnly=true in Cilium, so that it leaves the connections of pods "
    "alone";
constexpr std::string_view kCalicoFix =
    "set bpfConnectTimeLoadBalancing: Disabled and bpfHostNetworkedNATWithoutCTLB: Enabled in "
    "Calico's FelixConfiguration";
constexpr std::string_view kKmeshFix = "take the namespaces out of Kmesh before Keelson gets them";
constexpr Known kKnown[] = {
    {"cil_sock", "Cilium's socket load balancer", kCiliumFix},
    {"sock4_", "Cilium's socket load balancer", kCiliumFix},
    {"sock6_", "Cilium's socket load balancer", kCiliumFix},
    {"cali_ctlb", "Calico's connect-time load balancer", kCalicoFix},
    {"calico_connect", "Calico's connect-time load balancer", kCalicoFix},
    {"cgroup_connect", "Kmesh", kKmeshFix},
};

std::string name_of(uint32_t id) {
  const Fd program(bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  __u32 length = sizeof info;
  if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) return {};
  return info.name;
}

const Known* known(const Neighbour& program) {
  const auto found = std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& each) {
    return program.name.starts_with(each.prefix);
  });
  return found == std::end(kKnown) ? nullptr : found;
}

bool is_ours(const Neighbour& program, const std::vector<uint32_t>& ours) {
  return program.name.starts_with("ks_") ||
         std::find(ours.begin(), ours.end(), program.id) != ours.end();
}

std::string text_of(const Neighbour& program) {
  return (program.name.empty() ? "id " + std::to_string(program.id) : program.name) + " at " +
         program.hook;
}

}  // namespace

Result<std::vector<Neighbour>> programs_at_root() {
  std::ifstream mounts("/proc/self/mountinfo");
  KS_ASSIGN(const std::string cgroup,
            find_cgroup2_root(std::string(std::istreambuf_iterator<char>(mounts), {})));
  const Fd folder(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail_errno(Reason::io_error, errno, cgroup);
  std::vector<Neighbour> found;
  for (const auto& [type, hook] : kHooks) {
    uint32_t ids[kProgramsMax];
    uint32_t count = kProgramsMax;
    if (bpf_prog_query(folder.get(), type, BPF_F_QUERY_EFFECTIVE, nullptr, ids, &count) != 0)
      return fail_errno(Reason::io_error, errno, std::string("programs at ") + hook);
    for (uint32_t i = 0; i < count; ++i) found.push_back({hook, ids[i], name_of(ids[i])});
  }
  return found;
}

std::vector<KernelCheck> judge_neighbours(const std::vector<Neighbour>& programs,
                                          const std::vector<uint32_t>& ours) {
  struct Found {
    std::string programs;
    std::string fix;
  };
  std::map<std::string, Found> by_project;
  for (const Neighbour& program : programs) {
    if (is_ours(program, ours)) continue;
    const Known* project = known(program);
    Found& found =
        by_project[project == nullptr ? "an unknown program" : std::string(project->project)];
    found.programs += (found.programs.empty() ? "" : ", ") + text_of(program);
    found.fix = project == nullptr
                    ? "bpftool prog show id ID on the node tells whose it is; whatever rewrites "
                      "addresses at connect hides Services from Keelson"
                    : std::string(project->fix);
  }
  std::vector<KernelCheck> checks;
  for (auto& [project, found] : by_project)
    checks.push_back({"other programs at the cgroup root", CheckLevel::kWarning,
                      project + ": " + found.programs + "; not tested together",
                      std::move(found.fix)});
  if (checks.empty())
    checks.push_back({"other programs at the cgroup root", CheckLevel::kOk, "none", ""});
  return checks;
}

}  // namespace keelson::datapath
