#include "ca/state_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace keelson::ca {
namespace {

constexpr size_t kFileBytesMax = 64 * 1024;

Failure unsafe(std::string what) {
  return fail(Reason::authority_state_unsafe, ErrorSource::kConfig, std::move(what));
}

// Judges the opened file, not the path: what was checked is what is read.
Result<void> check_private_file(const Fd& file, std::string_view name) {
  struct stat status {};
  if (fstat(file.get(), &status) != 0)
    return fail_errno(Reason::io_error, errno, std::string(name));
  const std::string shown(name);
  if (!S_ISREG(status.st_mode)) return unsafe(shown + " is not a regular file");
  if (status.st_uid != geteuid()) return unsafe(shown + " belongs to another user");
  if ((status.st_mode & 07777) != 0600) return unsafe(shown + " must have mode 0600");
  if (status.st_nlink != 1) return unsafe(shown + " has a second name");
  return {};
}

Result<void> write_all(const Fd& file, std::string_view content, const char* name) {
  while (!content.empty()) {
    const ssize_t written = ::write(file.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(Reason::io_error, errno, std::string("writing ") + name);
    content.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Result<void> sync(const Fd& file, const char* name) {
  if (fsync(file.get()) != 0)
    return fail_errno(Reason::io_error, errno, std::string("fsync of ") + name);
  return {};
}

}  // namespace

Result<Fd> open_state_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(Reason::io_error, errno, "creating " + path);
  Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return fail_errno(Reason::io_error, errno, "opening " + path);
  struct stat status {};
  if (fstat(folder.get(), &status) != 0) return fail_errno(Reason::io_error, errno, path);
  if (status.st_uid != geteuid()) return unsafe(path + " belongs to another user");
  if ((status.st_mode & 0077) != 0) return unsafe(path + " must have mode 0700");
  return folder;
}

Result<FolderLock> FolderLock::take(const Fd& folder) {
  while (::flock(folder.get(), LOCK_EX) != 0)
    if (errno != EINTR) return fail_errno(Reason::io_error, errno, "locking the CA's folder");
  return FolderLock(folder.get());
}

FolderLock::~FolderLock() {
  if (folder_ >= 0) ::flock(folder_, LOCK_UN);
}

Result<std::optional<tls::SecretBytes>> read_state_file(const Fd& folder, const char* name) {
  // O_NONBLOCK: opening a FIFO that somebody put here must not hang; the check then refuses it.
  const Fd file(openat(folder.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file && errno == ENOENT) return std::optional<tls::SecretBytes>();
  if (!file && errno == ELOOP) return unsafe(std::string(name) + " is a symbolic link");
  if (!file) return fail_errno(Reason::io_error, errno, std::string("opening ") + name);
  KS_TRY(check_private_file(file, name));
  std::string content(kFileBytesMax + 1, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(Reason::io_error, errno, std::string("reading ") + name);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kFileBytesMax)
    return fail(Reason::authority_state_invalid, ErrorSource::kConfig,
                std::string(name) + " is larger than 64 KiB");
  content.resize(size);
  return std::optional<tls::SecretBytes>(tls::SecretBytes(std::move(content)));
}

Result<void> replace_state_file(const Fd& folder, const char* name, std::string_view content) {
  const std::string temporary = std::string(name) + ".new";
  if (unlinkat(folder.get(), temporary.c_str(), 0) != 0 && errno != ENOENT)
    return fail_errno(Reason::io_error, errno, "removing " + temporary);
  const Fd file(openat(folder.get(), temporary.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail_errno(Reason::io_error, errno, "creating " + temporary);
  if (fchmod(file.get(), 0600) != 0)  // whatever the umask is
    return fail_errno(Reason::io_error, errno, temporary);
  KS_TRY(write_all(file, content, name));
  KS_TRY(sync(file, name));
  return rename_state_file(folder, temporary.c_str(), name);
}

Result<void> rename_state_file(const Fd& folder, const char* from, const char* to) {
  if (renameat(folder.get(), from, folder.get(), to) != 0)
    return fail_errno(Reason::io_error, errno, std::string("renaming ") + from);
  return sync(folder, to);
}

Result<void> remove_state_file(const Fd& folder, const char* name) {
  if (unlinkat(folder.get(), name, 0) != 0 && errno != ENOENT)
    return fail_errno(Reason::io_error, errno, std::string("removing ") + name);
  return sync(folder, name);
}

Result<Fd> open_state_log(const Fd& folder, const char* name) {
  Fd file(openat(folder.get(), name,
                 O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!file) return fail_errno(Reason::io_error, errno, std::string("opening ") + name);
  KS_TRY(check_private_file(file, name));
  return file;
}

}  // namespace keelson::ca
