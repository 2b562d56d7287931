#include "datapath/kernel_check.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <linux/inet_diag.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/fd.h"
#include "datapath/cgroup_root.h"
#include "datapath/tc_filter.h"

namespace keelson::datapath {
namespace {

KernelCheck ok(std::string name, std::string text) {
  return {std::move(name), CheckLevel::kOk, std::move(text), {}};
}
KernelCheck error(std::string name, std::string text, std::string hint) {
  return {std::move(name), CheckLevel::kError, std::move(text), std::move(hint)};
}
KernelCheck warning(std::string name, std::string text, std::string hint) {
  return {std::move(name), CheckLevel::kWarning, std::move(text), std::move(hint)};
}

KernelCheck check_release() {
  utsname name{};
  ::uname(&name);
  return ok("kernel", std::string(name.sysname) + " " + name.release + " " + name.machine);
}

KernelCheck check_btf() {
  if (std::filesystem::exists("/sys/kernel/btf/vmlinux")) return ok("btf", "/sys/kernel/btf");
  return warning("btf", "no /sys/kernel/btf/vmlinux", "bpftool cannot name kernel types");
}

KernelCheck check_bpffs(const std::string& pin_dir) {
  // The folder itself may not exist before the first start: its nearest parent decides.
  std::filesystem::path folder(pin_dir);
  std::error_code ignored;
  while (!std::filesystem::exists(folder, ignored) && folder.has_relative_path())
    folder = folder.parent_path();
  struct statfs filesystem {};
  if (::statfs(folder.c_str(), &filesystem) == 0 && filesystem.f_type == BPF_FS_MAGIC)
    return ok("bpffs", pin_dir);
  return error("bpffs", pin_dir + " is not on a bpffs", "mount -t bpf bpf /sys/fs/bpf");
}

std::string text_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

KernelCheck check_cgroup() {
  const std::string mounts = text_of("/proc/self/mountinfo");
  const auto root = find_cgroup2_root(mounts);
  const std::string hint = "mount the host's cgroup v2 hierarchy into the agent's container";
  if (!root) return error("cgroup2", "cgroup v2 is not mounted", hint);
  struct stat status {};
  if (::stat(root->c_str(), &status) != 0 ||
      (status.st_ino != 1 && sees_only_itself(mounts, text_of("/proc/self/cgroup"))))
    return error("cgroup2", *root + " is not the root of the hierarchy", hint);
  return ok("cgroup2", *root);
}

KernelCheck check_capabilities() {
  capng_get_caps_process();
  const bool all = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) != 0;
  const bool bpf = capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF) != 0 || all;
  const bool net = capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) != 0;
  if (bpf && net) return ok("capabilities", all ? "BPF, NET_ADMIN, SYS_ADMIN" : "BPF, NET_ADMIN");
  return error("capabilities",
               std::string("missing:") + (bpf ? "" : " BPF") + (net ? "" : " NET_ADMIN"),
               "run as root, or give the agent both capabilities");
}

void check_programs(std::vector<KernelCheck>& checks) {
  const std::pair<bpf_prog_type, const char*> programs[] = {
      {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "cgroup_sock_addr"},
      {BPF_PROG_TYPE_SOCK_OPS, "sock_ops"},
      {BPF_PROG_TYPE_SK_LOOKUP, "sk_lookup"},
      {BPF_PROG_TYPE_SCHED_CLS, "sched_cls"},
      {BPF_PROG_TYPE_SYSCALL, "syscall"},
  };
  for (const auto& [type, name] : programs) {
    const std::string label = std::string("program ") + name;
    if (libbpf_probe_bpf_prog_type(type, nullptr) == 1)
      checks.push_back(ok(label, "loads"));
    else
      checks.push_back(error(label, "does not load",
                             "the kernel must be 6.1 or newer, with "
                             "CONFIG_CGROUP_BPF and CONFIG_BPF_SYSCALL"));
  }
}

void check_maps(std::vector<KernelCheck>& checks) {
  const std::pair<bpf_map_type, const char*> maps[] = {
      {BPF_MAP_TYPE_HASH, "hash"},       {BPF_MAP_TYPE_LPM_TRIE, "lpm_trie"},
      {BPF_MAP_TYPE_SOCKMAP, "sockmap"}, {BPF_MAP_TYPE_SK_STORAGE, "sk_storage"},
      {BPF_MAP_TYPE_RINGBUF, "ringbuf"}, {BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_array"},
  };
  for (const auto& [type, name] : maps) {
    const std::string label = std::string("map ") + name;
    if (libbpf_probe_bpf_map_type(type, nullptr) == 1)
      checks.push_back(ok(label, "can be created"));
    else
      checks.push_back(error(label, "cannot be created", "the kernel lacks this map type"));
  }
}

KernelCheck check_tcx() {
  // mov r0, 0; exit: the smallest program to try a tcx link with.
  bpf_insn code[2]{};
  code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  code[1].code = BPF_JMP | BPF_EXIT;
  const Fd program(
      bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ks_probe", "GPL", code, std::size(code), nullptr));
  if (program && kernel_has_tcx(program.get())) return ok("tcx", "source check uses tcx links");
  return warning("tcx", "no tcx links",
                 "the source check uses clsact filters, which another tool may replace");
}

KernelCheck check_sock_destroy() {
  // Names a connection that cannot exist, by cookie: ENOENT where the kernel can destroy sockets,
  // EOPNOTSUPP without CONFIG_INET_DIAG_DESTROY.
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message{};
  message.header.nlmsg_len = sizeof message;
  message.header.nlmsg_type = SOCK_DESTROY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  message.request.sdiag_family = AF_INET;
  message.request.sdiag_protocol = IPPROTO_TCP;
  message.request.id.idiag_cookie[0] = 1;
  const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[512];
  } answer{};
  const timeval limit{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::send(socket.get(), &message, sizeof message, 0) < 0 ||
      ::recv(socket.get(), &answer, sizeof answer, 0) < static_cast<ssize_t>(NLMSG_LENGTH(0)))
    return error("sock_destroy", "sock_diag does not answer", "load the module inet_diag");
  if (answer.header.nlmsg_type == NLMSG_ERROR &&
      (answer.error.error == -ENOENT || answer.error.error == -ESTALE))
    return ok("sock_destroy", "connections can be cut");
  return error("sock_destroy", std::strerror(-answer.error.error),
               "the kernel needs CONFIG_INET_DIAG_DESTROY and the modules tcp_diag, inet_diag");
}

}  // namespace

std::vector<KernelCheck> check_kernel(const std::string& pin_dir) {
  std::vector<KernelCheck> checks = {check_release(), check_btf(), check_bpffs(pin_dir),
                                     check_cgroup(), check_capabilities()};
  for (KernelCheck& check : probe_kernel()) checks.push_back(std::move(check));
  return checks;
}

std::vector<KernelCheck> probe_kernel() {
  std::vector<KernelCheck> checks;
  check_programs(checks);
  check_maps(checks);
  checks.push_back(check_tcx());
  checks.push_back(check_sock_destroy());
  return checks;
}

}  // namespace keelson::datapath
