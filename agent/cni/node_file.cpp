#include "cni/node_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "base/fd.h"

namespace keelson::cni {
namespace {

constexpr size_t kFileBytesMax = 64u << 20;  // a static plugin has 2 MB
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr time_t kLeftAfterSeconds = 60;  // longer than any write takes

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_prefix(const std::string& path) {
  return "." + path.substr(path.rfind('/') + 1) + ".";
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
  // Two agents may write at once, and both are process 1 of their pod: the name is a random one.
  std::string temporary = folder_of(path) + "/" + temporary_prefix(path) + "XXXXXX";
  temporary += kTemporarySuffix;
  Fd file(::mkostemps(temporary.data(), static_cast<int>(kTemporarySuffix.size()), O_CLOEXEC));
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
  struct stat status {};
  // Asked first: on a file system that is read only unlink fails for want of that, file or not.
  if (::lstat(path.c_str(), &status) != 0 && errno == ENOENT) return {};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail_errno(Reason::io_error, errno, "remove " + path);
  return {};
}

void remove_left_temporaries(const std::string& path) {
  const std::string folder = folder_of(path);
  const std::string prefix = temporary_prefix(path);
  const std::unique_ptr<DIR, int (*)(DIR*)> handle(::opendir(folder.c_str()), ::closedir);
  if (handle == nullptr) return;
  while (const dirent* entry = ::readdir(handle.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix) || !name.ends_with(kTemporarySuffix)) continue;
    const std::string left = folder + "/" + entry->d_name;
    struct stat status {};
    const bool is_old =
        ::stat(left.c_str(), &status) == 0 && status.st_mtime + kLeftAfterSeconds < ::time(nullptr);
    if (is_old) (void)::unlink(left.c_str());
  }
}

Result<bool> install_plugin(const std::string& from, const std::string& to) {
  remove_left_temporaries(to);
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
