// Pins: the folder on a bpffs that keeps maps and links alive without a process. Checks pinned maps
// against what a new object wants, and updates, creates or removes pinned links by name. Holds no
// descriptor open itself. Agent loop only.
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace keelson::datapath {

// What a link is attached to, as far as we use it. Zero target: its target is gone.
struct LinkTarget {
  uint32_t link_type = 0;    // bpf_link_type
  uint32_t program_id = 0;   // of the program that runs there
  uint32_t attach_type = 0;  // bpf_attach_type
  uint64_t target = 0;       // cgroup id, netns inode or ifindex
};

Result<LinkTarget> read_link(const Fd& link);

class Pins {
 public:
  // Creates the folder. Error: kernel_feature_missing when it is not on a bpffs.
  static Result<Pins> open(std::string folder);

  const std::string& folder() const noexcept { return folder_; }
  // bpf_load_failed with the map's name and the fix when a pinned map of `object` has another
  // layout or size: libbpf itself would only say EINVAL.
  Result<void> check_maps(const bpf_object* object) const;
  Result<Fd> open_map(const std::string& name) const;
  // A descriptor that can be handed to a process which must not write the map.
  Result<Fd> open_map_read_only(const std::string& name) const;

  // Makes link `name` run `program` on `target`: a pinned link that is there is updated in place
  // (no gap), one whose target is gone or another is replaced by what `create` makes.
  Result<void> ensure_link(const std::string& name, int program, uint64_t target,
                           const std::function<int()>& create) const;
  // nullopt: no such pin.
  std::optional<LinkTarget> find_link(const std::string& name) const;
  // Detached when it returns. A pin that is not there is no error.
  Result<void> remove_link(const std::string& name) const;
  // Whatever is left in the folder, and the folder: maps live on while somebody has them open.
  // Links must be gone before: what only loses its pin is detached some time later.
  Result<void> remove_folder() const;
  // Names that begin with `prefix`, sorted.
  std::vector<std::string> list(const std::string& prefix) const;

 private:
  explicit Pins(std::string folder) : folder_(std::move(folder)) {}
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
};

}  // namespace keelson::datapath
