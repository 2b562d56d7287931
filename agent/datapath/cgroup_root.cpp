#include "datapath/cgroup_root.h"

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

}  // namespace

Result<std::string> find_cgroup2_root(std::string_view mountinfo) {
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // id parent major:minor root mount-point options [optional fields] - type source options
    const size_t separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    std::istringstream before(line.substr(0, separator));
    std::istringstream after(line.substr(separator + 3));
    std::string id, parent, device, root, mount_point, type;
    before >> id >> parent >> device >> root >> mount_point;
    after >> type;
    if (type == "cgroup2" && root == "/") return unescape(mount_point);
  }
  return fail(Reason::kernel_feature_missing, ErrorSource::kKernel,
              "no cgroup2 mount that shows the hierarchy's root: mount the host's /sys/fs/cgroup");
}

}  // namespace keelson::datapath
