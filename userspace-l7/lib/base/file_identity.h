// FileIdentity: which file a path names now, so that a process removes at its end what it put there
// and not what its successor has put in its place. Any thread.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace keelson {

class FileIdentity {
 public:
  FileIdentity() noexcept = default;  // of no file
  static FileIdentity of(std::string path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return {};
    FileIdentity found;
    found.path_ = std::move(path);
    found.device_ = status.st_dev;
    found.inode_ = status.st_ino;
    return found;
  }

  // Gone, or another file by now: nothing happens.
  void remove() const noexcept {
    struct stat status {};
    const bool is_same = !path_.empty() && ::lstat(path_.c_str(), &status) == 0 &&
                         status.st_dev == device_ && status.st_ino == inode_;
    if (is_same) (void)::unlink(path_.c_str());
  }

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace keelson
