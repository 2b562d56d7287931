#include "status/node_state_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/fd.h"
#include "model/node_state_yaml.h"

namespace keelson::status {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

Result<void> write_file(const std::string& path, const std::string& text) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) return fail_errno(Reason::io_error, errno, "open " + path);
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = ::write(file.get(), text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(Reason::io_error, errno, "write " + path);
    written += static_cast<size_t>(n);
  }
  return {};
}

}  // namespace

NodeStateFile::NodeStateFile(std::string folder, std::string node_name)
    : folder_(std::move(folder)), path_(folder_ + "/" + node_name + ".yaml") {}

Result<bool> NodeStateFile::write(const model::NodeState& state) {
  if (folder_.empty()) return false;
  const std::string text = model::to_yaml(state);
  if (content_of(path_) == text) return false;
  // Hidden, so that no reader takes the unfinished file for a node's.
  const std::string temporary = folder_ + "/." + state.meta.key.name + ".tmp";
  KS_TRY(write_file(temporary, text));
  if (::rename(temporary.c_str(), path_.c_str()) != 0)
    return fail_errno(Reason::io_error, errno, "rename " + temporary + " to " + path_);
  return true;
}

}  // namespace keelson::status
