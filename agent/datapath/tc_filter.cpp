#include "datapath/tc_filter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <climits>
#include <string>

#include "base/fd.h"

namespace keelson::datapath {
namespace {

// Newer than the distribution's headers: enum bpf_attach_type and link flags of linux/bpf.h.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr uint32_t kBefore = 1U << 3;  // BPF_F_BEFORE with no relative program: first

// Fixed, so that a restart replaces our filter and nobody else's: "KS".
constexpr uint32_t kHandle = 0x4b53;
constexpr uint32_t kPriority = 1;  // first

bpf_tc_hook ingress_of(uint32_t ifindex) {
  bpf_tc_hook hook{};
  hook.sz = sizeof hook;
  hook.ifindex = static_cast<int>(ifindex);
  hook.attach_point = BPF_TC_INGRESS;
  return hook;
}

bpf_tc_opts our_filter() {
  bpf_tc_opts options{};
  options.sz = sizeof options;
  options.handle = kHandle;
  options.priority = kPriority;
  return options;
}

}  // namespace

bool kernel_has_tcx(int program) {
  // No interface has this index: a kernel that knows tcx says ENODEV, an older one EINVAL.
  const Fd link(create_tcx_link(program, INT_MAX));
  return !link && errno == ENODEV;
}

int create_tcx_link(int program, uint32_t ifindex) {
  bpf_link_create_opts options{};
  options.sz = sizeof options;
  options.flags = kBefore;
  return bpf_link_create(program, static_cast<int>(ifindex), kTcxIngress, &options);
}

Result<void> attach_clsact(int program, uint32_t ifindex) {
  bpf_tc_hook hook = ingress_of(ifindex);
  const int created = bpf_tc_hook_create(&hook);
  if (created != 0 && created != -EEXIST)
    return fail_errno(Reason::bpf_attach_failed, -created,
                      "clsact qdisc on interface " + std::to_string(ifindex));
  bpf_tc_opts options = our_filter();
  options.prog_fd = program;
  options.flags = BPF_TC_F_REPLACE;
  const int attached = bpf_tc_attach(&hook, &options);
  if (attached != 0)
    return fail_errno(Reason::bpf_attach_failed, -attached,
                      "clsact filter on interface " + std::to_string(ifindex));
  return {};
}

Result<void> detach_clsact(uint32_t ifindex) {
  const bpf_tc_hook hook = ingress_of(ifindex);
  const bpf_tc_opts options = our_filter();
  const int detached = bpf_tc_detach(&hook, &options);
  // ENOENT, EINVAL: no filter, no qdisc; ENODEV: the interface went with its pod.
  if (detached != 0 && detached != -ENOENT && detached != -EINVAL && detached != -ENODEV)
    return fail_errno(Reason::io_error, -detached, "detach clsact filter");
  return {};
}

bool clsact_attached(uint32_t ifindex) {
  return clsact_program(ifindex).has_value();
}

std::optional<uint32_t> clsact_program(uint32_t ifindex) {
  const bpf_tc_hook hook = ingress_of(ifindex);
  bpf_tc_opts options = our_filter();
  if (bpf_tc_query(&hook, &options) != 0) return std::nullopt;
  return options.prog_id;
}

}  // namespace keelson::datapath
