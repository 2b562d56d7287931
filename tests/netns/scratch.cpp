#include "netns/scratch.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "lab_cleanup.h"
#include "lab_command.h"

namespace keelson::netns_test {
namespace {

constexpr char kStem[] = "keelson-dp-";

lab::Layout named(const std::string& prefix) {
  lab::Layout layout;
  layout.prefix = prefix;
  return layout;
}

// Everything of these names and then the lock. Nothing when another program has it.
void remove(const lab::Layout& layout, Fd lock) {
  if (!lock) return;
  if (auto gone = lab::remove_all(layout); !gone)
    ADD_FAILURE() << layout.prefix << ": " << lab::describe(gone.error());
  lab::release_lock(layout, std::move(lock));
}

class Claim {
 public:
  Claim() : layout_(named(kStem + std::to_string(::getpid()))) {
    for (const std::string& prefix : lab::abandoned_prefixes(kStem)) {
      auto lock = lab::take_lock(named(prefix));
      if (lock) remove(named(prefix), std::move(*lock));
    }
    auto lock = lab::take_lock(layout_);
    EXPECT_TRUE(lock) << lab::describe(lock.error());
    if (lock) lock_ = std::move(*lock);
    auto made = lab::make_dirs(layout_.run_root());
    EXPECT_TRUE(made) << lab::describe(made.error());
  }
  ~Claim() { remove(layout_, std::move(lock_)); }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  const lab::Layout& layout() const { return layout_; }

 private:
  lab::Layout layout_;
  Fd lock_;
};

}  // namespace

const lab::Layout& scratch() {
  static const Claim claim;  // the lock must last as long as the process: that is what it says
  return claim.layout();
}

TemporaryFolder::TemporaryFolder() : path_(scratch().run_root() + "/XXXXXX") {
  EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  ::chmod(path_.c_str(), 0755);  // tests reach it as other users
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Bpffs::Bpffs() {
  EXPECT_EQ(::mount("bpf", folder_.path().c_str(), "bpf", 0, nullptr), 0) << std::strerror(errno);
}

Bpffs::~Bpffs() {
  EXPECT_EQ(::umount2(folder_.path().c_str(), MNT_DETACH), 0);
}

EmptyCgroup::EmptyCgroup() {
  const auto root = lab::find_cgroup2();
  EXPECT_TRUE(root) << lab::describe(root.error());
  if (!root) return;
  path_ = *root + "/" + scratch().prefix;
  EXPECT_TRUE(std::filesystem::create_directory(path_));
}

EmptyCgroup::~EmptyCgroup() {
  std::error_code error;
  EXPECT_TRUE(path_.empty() || std::filesystem::remove(path_, error)) << error.message();
}

}  // namespace keelson::netns_test
