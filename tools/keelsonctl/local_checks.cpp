#include "keelsonctl/local_checks.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "keelsonctl/checks.h"

namespace keelson::ctl {
namespace {

// linux/capability.h
constexpr int kCapNetAdmin = 12;
constexpr int kCapSysAdmin = 21;
constexpr int kCapBpf = 39;

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

struct Mount {
  std::string point, type;
};
// device, mount point, type, options. Of process 1, because in a pod with the node's files at /host
// it is the node's; where that may not be read, our own.
std::vector<Mount> mounts(const std::string& root) {
  std::vector<Mount> all;
  auto text = read_file(root + "/proc/1/mounts");
  if (!text || text->empty()) text = read_file(root + "/proc/self/mounts");
  std::istringstream lines(text.value_or(""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string device;
    Mount mount;
    if (fields >> device >> mount.point >> mount.type) all.push_back(std::move(mount));
  }
  return all;
}

std::string mount_point(const std::string& root, std::string_view type) {
  for (const auto& mount : mounts(root))
    if (mount.type == type) return mount.point;
  return {};
}

// Features are what counts; the release only tells people where they stand.
Outcome check_release(const std::string& root) {
  std::string release = read_file(root + "/proc/sys/kernel/osrelease").value_or("");
  while (!release.empty() && release.back() == '\n') release.pop_back();
  int major = 0, minor = 0;
  const char* end = release.data() + release.size();
  const auto dot = std::from_chars(release.data(), end, major);
  if (dot.ec != std::errc() || dot.ptr == end || *dot.ptr != '.' ||
      std::from_chars(dot.ptr + 1, end, minor).ec != std::errc())
    return warning("the kernel's release cannot be read", "mount /proc");
  if (major > 6 || (major == 6 && minor >= 1)) return good(release);
  return warning("kernel " + release + "; Keelson is built for 6.1 and later",
                 "upgrade the kernel to 6.1 or later");
}

Outcome check_btf(const std::string& root) {
  const std::string path = root + "/sys/kernel/btf/vmlinux";
  if (std::ifstream(path).good()) return good("/sys/kernel/btf/vmlinux");
  return error("/sys/kernel/btf/vmlinux is missing",
               "use a kernel built with CONFIG_DEBUG_INFO_BTF=y");
}

Outcome check_bpffs(const std::string& root) {
  const std::string point = mount_point(root, "bpf");
  if (!point.empty()) return good(point);
  return error("no bpf file system is mounted", "mount -t bpf bpf /sys/fs/bpf");
}

Outcome check_cgroup(const std::string& root) {
  const std::string point = mount_point(root, "cgroup2");
  if (!point.empty()) return good(point);
  return error("no cgroup v2 hierarchy is mounted", "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
}

Outcome check_jit(const std::string& root) {
  const std::string value = read_file(root + "/proc/sys/net/core/bpf_jit_enable").value_or("");
  if (value.empty())
    return warning("net.core.bpf_jit_enable cannot be read",
                   "run check as root, in the node's own network namespace");
  if (value[0] != '0') return good("on");
  return warning("BPF programs are interpreted, which is several times slower",
                 "sysctl -w net.core.bpf_jit_enable=1");
}

struct Capabilities {
  bool known = false, bpf = false, net_admin = false;
};

Capabilities capabilities(const std::string& root) {
  std::istringstream lines(read_file(root + "/proc/self/status").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("CapEff:")) continue;
    const auto digits = line.find_first_not_of(" \t", 7);
    uint64_t effective = 0;
    if (digits == std::string::npos ||
        std::from_chars(line.data() + digits, line.data() + line.size(), effective, 16).ec !=
            std::errc())
      break;
    const auto has = [&](int capability) { return (effective >> capability & 1) != 0; };
    return {true, has(kCapBpf) || has(kCapSysAdmin), has(kCapNetAdmin)};
  }
  return {};
}

Outcome check_capabilities(const std::string& root) {
  const Capabilities has = capabilities(root);
  if (!has.known) return warning("capabilities cannot be read", "mount /proc");
  const std::string lacking =
      std::string(has.bpf ? "" : " CAP_BPF") + (has.net_admin ? "" : " CAP_NET_ADMIN");
  if (lacking.empty()) return good("CAP_BPF and CAP_NET_ADMIN");
  return warning("this shell lacks" + lacking + "; an agent started here would fail",
                 "start the agent as root, or run check with sudo");
}

Outcome outcome_of(const datapath::KernelCheck& check) {
  switch (check.level) {
    case datapath::CheckLevel::kOk:
      return good(check.text);
    case datapath::CheckLevel::kWarning:
      return warning(check.text, check.hint);
    case datapath::CheckLevel::kError:
      break;
  }
  return error(check.text, check.hint);
}

void check_features(const std::string& root, const KernelProbe& kernel, Checks& checks) {
  const Capabilities has = capabilities(root);
  if (!has.bpf || !has.net_admin) {
    checks.push_back({"kernel",
                      "features that the data path needs",
                      {"skipped", "asking the kernel needs CAP_BPF and CAP_NET_ADMIN",
                       "run keelsonctl check --pre as root"}});
    return;
  }
  for (const auto& check : kernel.features())
    checks.push_back({"kernel", check.name, outcome_of(check)});
  const auto programs = kernel.programs_at_root();
  if (!programs) {
    checks.push_back({"neighbours", "other programs at the cgroup root",
                      warning(programs.error().message(), "mount cgroup v2, and run as root")});
    return;
  }
  for (const auto& check : datapath::judge_neighbours(*programs, {}))
    checks.push_back({"neighbours", check.name, outcome_of(check)});
}

Checks local_checks(const std::string& root) {
  return {{"kernel", "kernel release is 6.1 or later", check_release(root)},
          {"kernel", "kernel has BTF", check_btf(root)},
          {"kernel", "BPF JIT is on", check_jit(root)},
          {"node", "bpf file system is mounted", check_bpffs(root)},
          {"node", "cgroup v2 is mounted", check_cgroup(root)},
          {"node", "capabilities of this shell", check_capabilities(root)}};
}

}  // namespace

std::string checks_json(const Checks& checks) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  bool ok = true;
  for (const CheckLine& check : checks) {
    ok = ok && check.outcome.result != "error";
    list.push_back({{"group", check.group},
                    {"name", check.name},
                    {"result", check.outcome.result},
                    {"detail", check.outcome.detail},
                    {"fix", check.outcome.fix}});
  }
  return Json{{"ok", ok}, {"checks", std::move(list)}}.dump(-1, ' ', false,
                                                            Json::error_handler_t::replace);
}

std::string local_checks_json(const std::string& root) {
  return checks_json(local_checks(root));
}

std::string pre_checks_json(const std::string& root, const KernelProbe& kernel) {
  Checks checks = local_checks(root);
  check_features(root, kernel, checks);
  check_network(root, checks);
  std::stable_sort(checks.begin(), checks.end(), [](const CheckLine& a, const CheckLine& b) {
    return a.group < b.group;  // kernel, neighbours, node: one title each
  });
  return checks_json(checks);
}

}  // namespace keelson::ctl
