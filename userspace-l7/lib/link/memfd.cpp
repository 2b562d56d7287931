#include "link/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace keelson::link {
namespace {
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
}

Result<Fd> make_sealed_memfd(const std::string& name, std::string_view content) {
  Fd memfd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memfd) return fail_errno(Reason::io_error, errno, "memfd_create " + name);
  while (!content.empty()) {
    const ssize_t written = ::write(memfd.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail_errno(Reason::io_error, errno, "write memfd " + name);
    content.remove_prefix(static_cast<size_t>(written));
  }
  if (::fcntl(memfd.get(), F_ADD_SEALS, kSeals) != 0)
    return fail_errno(Reason::io_error, errno, "seal memfd " + name);
  return memfd;
}

Result<std::string> read_sealed_memfd(const Fd& memfd, size_t bytes_max) {
  const int seals = ::fcntl(memfd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals)
    return fail(Reason::message_malformed, ErrorSource::kInternal, "fd is not a sealed memfd");
  struct stat status {};
  if (::fstat(memfd.get(), &status) != 0) return fail_errno(Reason::io_error, errno, "fstat memfd");
  if (static_cast<size_t>(status.st_size) > bytes_max)
    return fail(Reason::message_malformed, ErrorSource::kInternal,
                "memfd holds " + std::to_string(status.st_size) + " bytes, limit " +
                    std::to_string(bytes_max));
  std::string content(static_cast<size_t>(status.st_size), '\0');
  size_t done = 0;
  while (done < content.size()) {
    // pread: the file offset is shared with every other holder of this memfd.
    const ssize_t got = ::pread(memfd.get(), content.data() + done, content.size() - done,
                                static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail_errno(Reason::io_error, got < 0 ? errno : 0, "read memfd");
    done += static_cast<size_t>(got);
  }
  return content;
}

}  // namespace keelson::link
