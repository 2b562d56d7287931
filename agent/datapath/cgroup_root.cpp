#include "datapath/cgroup_root.h"

#include <optional>
#include <sstream>

namespace keelson::datapath {
namespace {

// Spaces in mount points are written as octal escapes, "\040".
std::string unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 3 < text.size();
    if (!escape) {
      plain += text[i];
      continue;
    }
    plain +=
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return plain;
}

// How far above the reader's cgroup namespace a mount's root is: "/" 0, "/../.." 2. Nothing for a
// part of the hierarchy.
std::optional<size_t> levels_above(std::string_view root) {
  if (root == "/") return 0;
  size_t levels = 0;
  for (; root.starts_with("/.."); root.remove_prefix(3)) levels++;
  return root.empty() ? std::optional(levels) : std::nullopt;
}

struct Mount {
  std::string path;
  size_t levels = 0;
};

std::optional<Mount> highest_mount(std::string_view mountinfo) {
  std::istringstream lines{std::string(mountinfo)};
  std::optional<Mount> highest;
  for (std::string line; std::getline(lines, line);) {
    // id parent major:minor root mount-point options [optional fields] - type source options
    const size_t separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    std::istringstream before(line.substr(0, separator));
    std::istringstream after(line.substr(separator + 3));
    std::string id, parent, device, root, mount_point, type;
    before >> id >> parent >> device >> root >> mount_point;
    after >> type;
    const auto levels = type == "cgroup2" ? levels_above(root) : std::nullopt;
    if (!levels || (highest && *levels <= highest->levels)) continue;
    highest = Mount{unescape(mount_point), *levels};
  }
  return highest;
}

}  // namespace

Result<std::string> find_cgroup2_root(std::string_view mountinfo) {
  if (auto highest = highest_mount(mountinfo)) return std::move(highest->path);
  return fail(Reason::kernel_feature_missing, ErrorSource::kKernel,
              "no cgroup2 mount that shows the hierarchy's root: mount the host's /sys/fs/cgroup");
}

bool sees_only_itself(std::string_view mountinfo, std::string_view self_cgroup) {
  const auto highest = highest_mount(mountinfo);
  if (highest && highest->levels > 0) return false;
  std::istringstream lines{std::string(self_cgroup)};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("0::")) return line == "0::/";
  return true;
}

}  // namespace keelson::datapath
