#include "datapath/pins.h"

#include <bpf/bpf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace keelson::datapath {
namespace {
constexpr uint32_t kTcxLink = 11;  // BPF_LINK_TYPE_TCX; the distribution's headers are older
}

Result<LinkTarget> read_link(const Fd& link) {
  bpf_link_info info{};
  __u32 length = sizeof info;
  if (bpf_obj_get_info_by_fd(link.get(), &info, &length) != 0)
    return fail_errno(Reason::io_error, errno, "link info");
  LinkTarget found;
  found.link_type = info.type;
  found.program_id = info.prog_id;
  switch (info.type) {
    case BPF_LINK_TYPE_CGROUP:
      found.target = info.cgroup.cgroup_id;
      found.attach_type = info.cgroup.attach_type;
      break;
    case BPF_LINK_TYPE_NETNS:
      found.target = info.netns.netns_ino;
      found.attach_type = info.netns.attach_type;
      break;
    case kTcxLink: {
      // {ifindex, attach_type} as in the kernel's bpf_link_info.tcx: netns has the same shape.
      found.target = info.netns.netns_ino;
      found.attach_type = info.netns.attach_type;
      break;
    }
    default:
      break;
  }
  return found;
}

Result<Pins> Pins::open(std::string folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  struct statfs filesystem {};
  if (::statfs(folder.c_str(), &filesystem) != 0)
    return fail_errno(Reason::io_error, errno, folder);
  if (filesystem.f_type != BPF_FS_MAGIC)
    return fail(Reason::kernel_feature_missing, ErrorSource::kKernel,
                folder + " is not on a bpffs: mount -t bpf bpf /sys/fs/bpf");
  return Pins(std::move(folder));
}

Result<Fd> Pins::open_map(const std::string& name) const {
  Fd map(bpf_obj_get(path(name).c_str()));
  if (!map) return fail_errno(Reason::not_found, errno, "pinned map " + path(name));
  return map;
}

Result<Fd> Pins::open_map_read_only(const std::string& name) const {
  LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = BPF_F_RDONLY);
  Fd map(bpf_obj_get_opts(path(name).c_str(), &options));
  if (!map) return fail_errno(Reason::not_found, errno, "pinned map " + path(name));
  return map;
}

Result<void> Pins::check_maps(const bpf_object* object) const {
  const bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    const std::string name = bpf_map__name(map);
    if (bpf_map__pin_path(map) == nullptr) continue;
    const Fd pinned(bpf_obj_get(path(name).c_str()));
    if (!pinned) continue;
    bpf_map_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(pinned.get(), &info, &length) != 0)
      return fail_errno(Reason::bpf_load_failed, errno, path(name) + " is not a map");
    const auto differs = [&](const char* what, uint64_t have, uint64_t want) -> Result<void> {
      if (have == want) return {};
      return fail(Reason::bpf_load_failed, ErrorSource::kKernel,
                  "map " + name + " was pinned with " + what + " " + std::to_string(have) +
                      ", this version needs " + std::to_string(want) +
                      ": drain the node and remove " + folder_);
    };
    KS_TRY(differs("type", info.type, bpf_map__type(map)));
    KS_TRY(differs("key bytes", info.key_size, bpf_map__key_size(map)));
    KS_TRY(differs("value bytes", info.value_size, bpf_map__value_size(map)));
    KS_TRY(differs("max_entries", info.max_entries, bpf_map__max_entries(map)));
    KS_TRY(differs("flags", info.map_flags, bpf_map__map_flags(map)));
  }
  return {};
}

std::optional<LinkTarget> Pins::find_link(const std::string& name) const {
  const Fd link(bpf_obj_get(path(name).c_str()));
  if (!link) return std::nullopt;
  const auto found = read_link(link);
  return found ? std::optional(*found) : std::nullopt;
}

Result<void> Pins::ensure_link(const std::string& name, int program, uint64_t target,
                               const std::function<int()>& create) const {
  if (const Fd link(bpf_obj_get(path(name).c_str())); link) {
    const auto found = read_link(link);
    if (found && found->target == target && target != 0) {
      if (bpf_link_update(link.get(), program, nullptr) == 0) return {};
      return fail_errno(Reason::bpf_attach_failed, errno, "update link " + path(name));
    }
    KS_TRY(remove_link(name));
  }
  const Fd link(create());
  if (!link) return fail_errno(Reason::bpf_attach_failed, errno, "attach " + name);
  if (bpf_obj_pin(link.get(), path(name).c_str()) != 0)
    return fail_errno(Reason::bpf_attach_failed, errno, "pin link " + path(name));
  return {};
}

Result<void> Pins::remove_link(const std::string& name) const {
  // Detached first: dropping the last reference alone takes effect some time later, from a kernel
  // worker. EINVAL, ENOLINK: its target is gone, so it is detached already.
  if (const Fd link(bpf_obj_get(path(name).c_str()));
      link && bpf_link_detach(link.get()) != 0 && errno != EINVAL && errno != ENOLINK)
    return fail_errno(Reason::io_error, errno, "detach link " + path(name));
  if (::unlink(path(name).c_str()) != 0 && errno != ENOENT)
    return fail_errno(Reason::io_error, errno, "unlink " + path(name));
  return {};
}

Result<void> Pins::remove_folder() const {
  for (const std::string& name : list(""))
    if (::unlink(path(name).c_str()) != 0 && errno != ENOENT)
      return fail_errno(Reason::io_error, errno, "unlink " + path(name));
  if (::rmdir(folder_.c_str()) != 0 && errno != ENOENT)
    return fail_errno(Reason::io_error, errno, "rmdir " + folder_);
  return {};
}

std::vector<std::string> Pins::list(const std::string& prefix) const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error))
    if (std::string name = entry.path().filename(); name.starts_with(prefix))
      names.push_back(std::move(name));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace keelson::datapath
