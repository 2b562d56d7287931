#include "base/file_identity.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace keelson {
namespace {

namespace fs = std::filesystem;

class FileIdentityTest : public testing::Test {
 protected:
  FileIdentityTest() {
    std::string name = testing::TempDir() + "identity-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    put("file");
  }
  ~FileIdentityTest() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  void put(const std::string& name) const { std::ofstream(at(name)) << name; }

  std::string folder_;
};

TEST_F(FileIdentityTest, RemovesTheFileThatItWasMadeOf) {
  const FileIdentity file = FileIdentity::of(at("file"));
  file.remove();
  EXPECT_FALSE(fs::exists(at("file")));
  file.remove();  // gone already
}

TEST_F(FileIdentityTest, LeavesAnotherFileThatHasTakenThePath) {
  const FileIdentity file = FileIdentity::of(at("file"));
  put("newer");
  fs::rename(at("newer"), at("file"));
  file.remove();
  EXPECT_TRUE(fs::exists(at("file")));
}

TEST_F(FileIdentityTest, OfNothingItRemovesNothing) {
  FileIdentity::of(at("none")).remove();
  FileIdentity().remove();
  EXPECT_TRUE(fs::exists(at("file")));
}

}  // namespace
}  // namespace keelson
