#include "status/node_state_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace keelson::status {
namespace {

class NodeStateFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "nodestate-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static model::NodeState state_with(model::PodState pod_state) {
    model::NodeState state;
    state.meta.key = {model::Kind::kNodeState, "", "a"};
    state.pods.push_back(
        {"u1", "shop", "web-1", "web", {IpAddress::parse("10.0.0.1").value()}, pod_state});
    return state;
  }

  std::string folder_;
};

TEST_F(NodeStateFileTest, WritesOnlyWhenTheContentChanged) {
  NodeStateFile file(folder_, "a");
  EXPECT_TRUE(file.write(state_with(model::PodState::kJoining)).value());
  EXPECT_FALSE(file.write(state_with(model::PodState::kJoining)).value());
  EXPECT_TRUE(file.write(state_with(model::PodState::kReady)).value());
}

TEST_F(NodeStateFileTest, ARestartedWriterLeavesAnEqualFileAlone) {
  EXPECT_TRUE(NodeStateFile(folder_, "a").write(state_with(model::PodState::kReady)).value());
  struct stat before {};
  ::stat((folder_ + "/a.yaml").c_str(), &before);
  EXPECT_FALSE(NodeStateFile(folder_, "a").write(state_with(model::PodState::kReady)).value());
  struct stat after {};
  ::stat((folder_ + "/a.yaml").c_str(), &after);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(NodeStateFileTest, LeavesNoTemporaryFileAndNamesTheFileOnFailure) {
  ASSERT_TRUE(NodeStateFile(folder_, "a").write(state_with(model::PodState::kReady)));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  auto failed = NodeStateFile(folder_ + "/gone", "a").write(state_with(model::PodState::kReady));
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().context.find("/gone/"), std::string::npos);
}

}  // namespace
}  // namespace keelson::status
