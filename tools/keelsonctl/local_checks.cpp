#include "keelsonctl/local_checks.h"

#include <unistd.h>

#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

namespace keelson::ctl {
namespace {

using Json = nlohmann::ordered_json;

// linux/capability.h
constexpr int kCapNetAdmin = 12;
constexpr int kCapSysAdmin = 21;
constexpr int kCapBpf = 39;

struct Outcome {
  std::string result, detail, fix;
};
Outcome good(std::string detail) {
  return {"ok", std::move(detail), ""};
}
Outcome warning(std::string detail, std::string fix) {
  return {"warning", std::move(detail), std::move(fix)};
}
Outcome error(std::string detail, std::string fix) {
  return {"error", std::move(detail), std::move(fix)};
}

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
// /proc/self/mounts: device, mount point, type, options
std::vector<Mount> mounts(const std::string& root) {
  std::vector<Mount> all;
  std::istringstream lines(read_file(root + "/proc/self/mounts").value_or(""));
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
  return warning("kernel " + release + "; Keelson is tested on 6.1 and later",
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
  if (value.empty()) return warning("net.core.bpf_jit_enable cannot be read", "run check as root");
  if (value[0] != '0') return good("on");
  return warning("BPF programs are interpreted, which is several times slower",
                 "sysctl -w net.core.bpf_jit_enable=1");
}

Outcome check_capabilities(const std::string& root) {
  std::istringstream lines(read_file(root + "/proc/self/status").value_or(""));
  uint64_t effective = 0;
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("CapEff:")) continue;
    const auto digits = line.find_first_not_of(" \t", 7);
    if (digits == std::string::npos) break;
    found = std::from_chars(line.data() + digits, line.data() + line.size(), effective, 16).ec ==
            std::errc();
  }
  if (!found) return warning("capabilities cannot be read", "mount /proc");
  const auto has = [&](int capability) { return (effective >> capability & 1) != 0; };
  std::string lacking;
  if (!has(kCapBpf) && !has(kCapSysAdmin)) lacking += " CAP_BPF";
  if (!has(kCapNetAdmin)) lacking += " CAP_NET_ADMIN";
  if (lacking.empty()) return good("CAP_BPF and CAP_NET_ADMIN");
  return warning("this shell lacks" + lacking + "; an agent started here would fail",
                 "start the agent as root, or run check with sudo");
}

}  // namespace

std::string local_checks_json(const std::string& root) {
  const std::vector<std::pair<const char*, std::pair<const char*, Outcome>>> all = {
      {"kernel", {"kernel release is 6.1 or later", check_release(root)}},
      {"kernel", {"kernel has BTF", check_btf(root)}},
      {"kernel", {"BPF JIT is on", check_jit(root)}},
      {"node", {"bpf file system is mounted", check_bpffs(root)}},
      {"node", {"cgroup v2 is mounted", check_cgroup(root)}},
      {"node", {"capabilities of this shell", check_capabilities(root)}},
  };
  Json checks = Json::array();
  bool ok = true;
  for (const auto& [group, check] : all) {
    const auto& [name, outcome] = check;
    ok = ok && outcome.result != "error";
    checks.push_back({{"group", group},
                      {"name", name},
                      {"result", outcome.result},
                      {"detail", outcome.detail},
                      {"fix", outcome.fix}});
  }
  return Json{{"ok", ok}, {"checks", std::move(checks)}}.dump(-1, ' ', false,
                                                              Json::error_handler_t::replace);
}

}  // namespace keelson::ctl
