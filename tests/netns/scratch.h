// What a test program makes outside its own process, under names that only it uses
// (keelson-dp-<pid>): folders, a bpffs, a cgroup. A lock that dies with the program says whether
// the names are still in use, so the next program removes what a killed one left, as the lab does.
// Single-threaded.
#pragma once

#include <string>

#include "lab_layout.h"

namespace keelson::netns_test {

// The names of this program. The first call takes the lock and removes what dead programs left;
// the program's end removes what is left of its own.
const lab::Layout& scratch();

// A folder in the program's own, removed with its content.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A bpffs mounted on a folder of its own.
class Bpffs {
 public:
  Bpffs();
  ~Bpffs();
  Bpffs(const Bpffs&) = delete;
  Bpffs& operator=(const Bpffs&) = delete;
  std::string pins() const { return folder_.path() + "/keelson"; }

 private:
  TemporaryFolder folder_;
};

// A cgroup without processes: hooks attached to it run for nobody.
class EmptyCgroup {
 public:
  EmptyCgroup();
  ~EmptyCgroup();
  EmptyCgroup(const EmptyCgroup&) = delete;
  EmptyCgroup& operator=(const EmptyCgroup&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace keelson::netns_test
