#include "cni/node_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/fd.h"

namespace keelson::cni {
namespace {

constexpr size_t kFileBytesMax = 64u << 20;  // a static plugin has 2 MB

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_of(const std::string& path) {
  return folder_of(path) + "/." + path.substr(path.rfind('/') + 1) + ".tmp";
}

Result<void> write_whole(const Fd& file, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(file.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(Reason::io_error, errno, "write " + path);
    content.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(file.get()) != 0) return fail_errno(Reason::io_error, errno, "fsync " + path);
  return {};
}

// A file system that cannot sync a folder keeps the rename as well as it can.
void sync_folder(const std::string& folder) {
  const Fd handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle) (void)::fsync(handle.get());
}

}  // namespace

Result<std::string> read_node_file(const std::string& path) {
  // O_NONBLOCK: a fifo with such a name must not stop the agent.
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file)
    return fail_errno(errno == ENOENT ? Reason::not_found : Reason::io_error, errno,
                      "open " + path);
  std::string content;
  std::array<char, 65536> buffer;
  while (content.size() <= kFileBytesMax) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got == 0) return content;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(Reason::io_error, errno, "read " + path);
    content.append(buffer.data(), static_cast<size_t>(got));
  }
  return fail(Reason::io_error, ErrorSource::kConfig, path + " has more than 64 MiB");
}

Result<void> replace_node_file(const std::string& path, std::string_view content, mode_t mode) {
  const std::string temporary = temporary_of(path);
  KS_TRY(remove_node_file(temporary));  // of an agent that ended in the middle
  Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file) return fail_errno(Reason::io_error, errno, "create " + temporary);
  auto written = write_whole(file, content, temporary);
  if (written && ::fchmod(file.get(), mode) != 0)  // whatever the umask
    written = fail_errno(Reason::io_error, errno, "chmod " + temporary);
  file.reset();  // before the rename: a plugin that is open for writing cannot be run
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0)
    written = fail_errno(Reason::io_error, errno, "rename " + temporary + " to " + path);
  if (!written) {
    (void)::unlink(temporary.c_str());
    return written;
  }
  sync_folder(folder_of(path));
  return {};
}

Result<void> remove_node_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail_errno(Reason::io_error, errno, "remove " + path);
  return {};
}

Result<bool> install_plugin(const std::string& from, const std::string& to) {
  KS_ASSIGN(const std::string content, read_node_file(from));
  const auto there = read_node_file(to);
  struct stat status {};
  const bool is_whole = there && *there == content && ::stat(to.c_str(), &status) == 0 &&
                        (status.st_mode & 0111) != 0;
  if (is_whole) return false;
  KS_TRY(replace_node_file(to, content, 0755));
  return true;
}

}  // namespace keelson::cni
