#include "kube/token_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"

namespace keelson::kube {
namespace {

constexpr std::chrono::seconds kTokenAgeMax{60};

Failure unusable(const std::string& path, int os_errno) {
  Error error{Reason::credentials_unusable, ErrorSource::kConfig, true, os_errno, path};
  return Failure(std::move(error));
}

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

Result<std::string> read_credential(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return unusable(path, errno);
  std::string text;
  char buffer[8192];
  while (text.size() <= kCredentialBytesMax) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unusable(path, errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
  return unusable(path + ": larger than 1 MiB", 0);
}

Result<std::string> TokenFile::token() {
  struct stat now {};
  const bool is_there = ::stat(path_.c_str(), &now) == 0;
  const bool is_old = clock_.now() - read_at_ >= kTokenAgeMax;
  if (!token_.empty() && (!is_there || (is_same_file(now, seen_) && !is_old))) return token_;
  auto text = read_credential(path_);
  if (!text && token_.empty()) return Failure(std::move(text).error());
  if (!text) return token_;
  const size_t end = text->find_last_not_of(" \t\r\n");
  text->resize(end == std::string::npos ? 0 : end + 1);
  if (text->empty() && token_.empty()) return unusable(path_ + ": the token file is empty", 0);
  if (!text->empty()) token_ = std::move(*text);
  seen_ = now;
  read_at_ = clock_.now();
  return token_;
}

}  // namespace keelson::kube
