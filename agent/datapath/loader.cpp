#include "datapath/loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "datapath/cgroup_root.h"
#include "datapath/map_reading.h"
#include "datapath/tc_filter.h"
#include "ks_sk_lookup.skel.h"
#include "ks_sock_addr.skel.h"
#include "ks_sock_ops.skel.h"
#include "ks_source_check.skel.h"

namespace keelson::datapath {
namespace {

// A skeleton with its matching destroy function.
template <class Skeleton>
struct Destroy {
  void operator()(Skeleton* skeleton) const noexcept { Skeleton::destroy(skeleton); }
};
template <class Skeleton>
using Owned = std::unique_ptr<Skeleton, Destroy<Skeleton>>;

thread_local std::string libbpf_warning;

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  char text[512];
  std::vsnprintf(text, sizeof text, format, arguments);
  libbpf_warning = text;
  while (libbpf_warning.ends_with('\n')) libbpf_warning.pop_back();
  return 0;
}

Failure load_failure(const char* object, int os_errno) {
  return fail_errno(Reason::bpf_load_failed, os_errno,
                    std::string(object) + ": " + take_libbpf_warning());
}

// Opens, checks the pinned maps, lets `prepare` set load-time values, loads.
template <class Skeleton, class Prepare>
Result<Owned<Skeleton>> load_object(const char* name, const Pins& pins, Prepare prepare) {
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.pin_root_path = pins.folder().c_str();
  Owned<Skeleton> object(Skeleton::open(&options));
  if (!object) return load_failure(name, errno);
  KS_TRY(pins.check_maps(object->obj));
  KS_TRY(prepare(*object));
  const int loaded = Skeleton::load(object.get());
  if (loaded != 0) return load_failure(name, -loaded);
  return object;
}

template <class Skeleton>
Result<Owned<Skeleton>> load_object(const char* name, const Pins& pins) {
  return load_object<Skeleton>(name, pins, [](Skeleton&) { return Result<void>(); });
}

std::string text_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<std::string> cgroup_path(const LoaderOptions& options) {
  if (!options.cgroup.empty()) return options.cgroup;
  return find_cgroup2_root(text_of("/proc/self/mountinfo"));
}

constexpr const char* kLookupPrefix = "lookup_";

std::string lookup_pin(uint32_t slot) {
  return kLookupPrefix + std::to_string(slot);
}
std::string source_pin(uint32_t ifindex) {
  return "source_" + std::to_string(ifindex);
}

struct OpenNetns {
  Fd fd;
  uint64_t inode = 0;
};

Result<OpenNetns> open_netns(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return fail_errno(Reason::netns_invalid, errno, path);
  return OpenNetns{std::move(fd), status.st_ino};
}

uint64_t socket_cookie(const Fd& socket) {
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  const bool read = ::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0;
  return read ? cookie : 0;
}

}  // namespace

struct Loader::Programs {
  Owned<ks_sock_addr> sock_addr;
  Owned<ks_sock_ops> sock_ops;
  Owned<ks_sk_lookup> sk_lookup;
  Owned<ks_source_check> source_check;

  int lookup() const { return bpf_program__fd(sk_lookup->progs.ks_sk_lookup); }
  int source() const { return bpf_program__fd(source_check->progs.ks_source); }
  int listener_map() const { return bpf_map__fd(sk_lookup->maps.ks_listener); }
  int budget_map() const { return bpf_map__fd(sock_ops->maps.ks_budget); }
};

Result<uint64_t> own_netns_cookie() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0)
    return fail_errno(Reason::kernel_feature_missing, errno, "SO_NETNS_COOKIE");
  return cookie;
}

std::string take_libbpf_warning() {
  return std::exchange(libbpf_warning, {});
}

Result<std::unique_ptr<Loader>> Loader::load(const LoaderOptions& options) {
  libbpf_set_print(keep_warning);
  KS_ASSIGN(const std::string path, cgroup_path(options));
  Fd cgroup(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!cgroup || ::fstat(cgroup.get(), &status) != 0)
    return fail_errno(Reason::bpf_attach_failed, errno, "cgroup " + path);
  // kernfs gives a hierarchy's root inode 1. In a container with a cgroup namespace of its own the
  // mount only looks like the root, and connections of pods would pass the hooks by.
  if (options.cgroup.empty() && status.st_ino != 1 &&
      sees_only_itself(text_of("/proc/self/mountinfo"), text_of("/proc/self/cgroup")))
    return fail(Reason::kernel_feature_missing, ErrorSource::kKernel,
                path + " is not the root of cgroup v2: mount the host's /sys/fs/cgroup");
  KS_ASSIGN(Pins pins, Pins::open(options.pin_dir));
  auto programs = std::make_unique<Programs>();
  KS_ASSIGN(programs->sock_addr,
            load_object<ks_sock_addr>("sock_addr", pins, [](ks_sock_addr& object) -> Result<void> {
              // A new key at each load is fine: a capture port only has to be hard to predict, and
              // connections under way carry theirs in the attested tuple.
              void* key = const_cast<__u64*>(&object.rodata->ks_boot_key);
              if (::getrandom(key, sizeof(__u64), 0) != sizeof(__u64))
                return fail_errno(Reason::bpf_load_failed, errno, "getrandom");
              return {};
            }));
  KS_ASSIGN(programs->sock_ops, load_object<ks_sock_ops>("sock_ops", pins));
  KS_ASSIGN(programs->sk_lookup, load_object<ks_sk_lookup>("sk_lookup", pins));
  KS_ASSIGN(programs->source_check, load_object<ks_source_check>("source_check", pins));
  return std::unique_ptr<Loader>(
      new Loader(std::move(pins), std::move(cgroup), status.st_ino, std::move(programs)));
}

Loader::Loader(Pins pins, Fd cgroup, uint64_t cgroup_id, std::unique_ptr<Programs> programs)
    : pins_(std::move(pins)),
      cgroup_(std::move(cgroup)),
      cgroup_id_(cgroup_id),
      programs_(std::move(programs)),
      tcx_(kernel_has_tcx(programs_->source())) {}

Loader::~Loader() = default;

Result<void> Loader::attach_node() {
  const auto& dials = programs_->sock_addr->progs;
  struct Hook {
    const char* pin;
    const bpf_program* program;
    bpf_attach_type type;
  };
  // sock_ops first: a connection that connect redirects needs its tuple written.
  const Hook hooks[] = {
      {"link_sockops", programs_->sock_ops->progs.ks_sockops, BPF_CGROUP_SOCK_OPS},
      {"link_getpeer4", dials.ks_getpeer4, BPF_CGROUP_INET4_GETPEERNAME},
      {"link_getpeer6", dials.ks_getpeer6, BPF_CGROUP_INET6_GETPEERNAME},
      {"link_connect4", dials.ks_connect4, BPF_CGROUP_INET4_CONNECT},
      {"link_connect6", dials.ks_connect6, BPF_CGROUP_INET6_CONNECT},
  };
  for (const Hook& hook : hooks) {
    const int program = bpf_program__fd(hook.program);
    KS_TRY(pins_.ensure_link(hook.pin, program, cgroup_id_, [&] {
      return bpf_link_create(program, cgroup_.get(), hook.type, nullptr);
    }));
  }
  remove_stale_links();
  return {};
}

void Loader::remove_stale_links() {
  for (const char* prefix : {kLookupPrefix, "source_"}) {
    for (const std::string& name : pins_.list(prefix)) {
      const auto found = pins_.find_link(name);
      // A link that outlived its namespace or interface: nothing to enforce, only memory. Failing
      // to unlink it costs only that, and the next start tries again.
      if (found && found->target == 0) (void)pins_.remove_link(name).has_value();
    }
  }
}

Result<void> Loader::detach_all() {
  for (const char* prefix : {"link_", kLookupPrefix, "source_"})
    for (const std::string& name : pins_.list(prefix)) KS_TRY(pins_.remove_link(name));
  return {};
}

Result<void> Loader::remove_all() {
  if (!tcx_) KS_TRY(detach_filters());
  KS_TRY(detach_all());
  return pins_.remove_folder();
}

// Filters have no pin: the map of interfaces that are checked tells where they are.
Result<void> Loader::detach_filters() {
  const auto interfaces = pins_.open_map("ks_interface");
  if (!interfaces) return {};  // removed before
  Result<void> detached;
  KS_TRY(for_each_row(*interfaces, sizeof(uint32_t), sizeof(ks_interface),
                      [&](std::string_view key, std::string_view) {
                        uint32_t ifindex = 0;
                        std::memcpy(&ifindex, key.data(), sizeof ifindex);
                        if (detached) detached = detach_clsact(ifindex);
                      }));
  return detached;
}

Result<uint64_t> Loader::sweep_tuples(uint64_t not_after_ns) {
  ks_sweep argument{not_after_ns, 0};
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.ctx_in = &argument;
  options.ctx_size_in = sizeof argument;
  const int program = bpf_program__fd(programs_->sock_ops->progs.ks_sweep);
  if (bpf_prog_test_run_opts(program, &options) != 0)
    return fail_errno(Reason::io_error, errno, "run ks_sweep");
  return argument.removed;
}

std::vector<int> Loader::programs() const {
  std::vector<int> fds;
  for (const bpf_object* object : {programs_->sock_addr->obj, programs_->sock_ops->obj,
                                   programs_->sk_lookup->obj, programs_->source_check->obj}) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) fds.push_back(bpf_program__fd(program));
  }
  return fds;
}

int Loader::tag_map() const noexcept {
  return bpf_map__fd(programs_->sock_ops->maps.ks_tag);
}

Result<void> Loader::install_listeners(uint32_t slot, const SlotListeners& listeners) {
  if (listeners_installed(slot, listeners)) return {};
  for (uint32_t i = 0; i < listeners.size(); ++i) {
    const uint32_t index = slot * KS_LISTENERS_PER_POD + i;
    if (!listeners[i]) {
      bpf_map_delete_elem(programs_->listener_map(), &index);  // a former pod's, if any
      continue;
    }
    const auto fd = static_cast<uint64_t>(listeners[i].get());
    if (bpf_map_update_elem(programs_->listener_map(), &index, &fd, BPF_ANY) != 0)
      return fail_errno(Reason::map_write_failed, errno, "ks_listener " + std::to_string(index));
  }
  return {};
}

bool Loader::listeners_installed(uint32_t slot, const SlotListeners& listeners) const {
  for (uint32_t i = 0; i < listeners.size(); ++i) {
    const uint32_t index = slot * KS_LISTENERS_PER_POD + i;
    uint64_t cookie = 0;  // a lookup from user space reads the socket's cookie
    const bool there = bpf_map_lookup_elem(programs_->listener_map(), &index, &cookie) == 0;
    if (there != static_cast<bool>(listeners[i])) return false;
    if (there && cookie != socket_cookie(listeners[i])) return false;
  }
  return true;
}

Result<void> Loader::attach_lookup(uint32_t slot, const std::string& netns_path) {
  KS_ASSIGN(const OpenNetns netns, open_netns(netns_path));
  const int program = programs_->lookup();
  return pins_.ensure_link(lookup_pin(slot), program, netns.inode, [&] {
    return bpf_link_create(program, netns.fd.get(), BPF_SK_LOOKUP, nullptr);
  });
}

bool Loader::lookup_attached(uint32_t slot, const std::string& netns_path) const {
  const auto netns = open_netns(netns_path);
  const auto found = pins_.find_link(lookup_pin(slot));
  return netns && found && found->target == netns->inode;
}

Result<void> Loader::attach_source_check(uint32_t host_ifindex) {
  const int program = programs_->source();
  if (!tcx_) return attach_clsact(program, host_ifindex);
  return pins_.ensure_link(source_pin(host_ifindex), program, host_ifindex,
                           [&] { return create_tcx_link(program, host_ifindex); });
}

bool Loader::source_check_attached(uint32_t host_ifindex) const {
  if (!tcx_) return clsact_attached(host_ifindex);
  const auto found = pins_.find_link(source_pin(host_ifindex));
  return found && found->target == host_ifindex;
}

std::vector<uint32_t> Loader::attached_slots() const {
  std::vector<uint32_t> slots;
  const std::string prefix = kLookupPrefix;
  for (const std::string& name : pins_.list(prefix))
    slots.push_back(static_cast<uint32_t>(std::strtoul(&name[prefix.size()], nullptr, 10)));
  return slots;
}

Result<void> Loader::release(uint32_t slot, uint32_t host_ifindex, uint64_t netns_cookie) {
  KS_TRY(pins_.remove_link(lookup_pin(slot)));
  if (host_ifindex != 0) {
    KS_TRY(pins_.remove_link(source_pin(host_ifindex)));
    if (!tcx_) KS_TRY(detach_clsact(host_ifindex));
  }
  for (uint32_t i = 0; i < KS_LISTENERS_PER_POD; ++i) {
    const uint32_t index = slot * KS_LISTENERS_PER_POD + i;
    if (bpf_map_delete_elem(programs_->listener_map(), &index) != 0 && errno != ENOENT &&
        errno != EINVAL)  // EINVAL: how a SOCKMAP says that the entry is empty
      return fail_errno(Reason::map_write_failed, errno, "ks_listener " + std::to_string(index));
  }
  if (bpf_map_delete_elem(programs_->budget_map(), &netns_cookie) != 0 && errno != ENOENT)
    return fail_errno(Reason::map_write_failed, errno, "ks_budget");
  return {};
}

}  // namespace keelson::datapath
