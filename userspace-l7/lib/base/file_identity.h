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

  bool is_there() const noexcept {
    struct stat status {};
    return !path_.empty() && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
           status.st_ino == inode_;
  }
  // Gone, or another file by now: nothing happens.
  void remove() const noexcept {
    if (is_there()) (void)::unlink(path_.c_str());
  }

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace keelson
