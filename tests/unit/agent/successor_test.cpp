#include "successor.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "io/listener.h"

namespace keelson {
namespace {

class SuccessorTest : public ::testing::Test {
 protected:
  SuccessorTest() {
    std::string pattern = ::testing::TempDir() + "successor-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/agent.sock";
  }
  ~SuccessorTest() override { std::filesystem::remove_all(folder_); }

  void expect_there(Successor& successor, int looks) {
    for (int look = 1; look <= looks; ++look) EXPECT_FALSE(successor.is_gone(own_)) << look;
  }

  std::string folder_, path_;
  FileIdentity own_;  // of no file
};

// Found by review: an upgrade whose new agent failed and was rolled back left the node to a fenced
// agent for ever.
TEST_F(SuccessorTest, IsGoneWhenNobodyListensForLongerThanARestart) {
  Successor successor(path_);
  expect_there(successor, Successor::kMissesMax - 1);
  {
    const auto restarted = io::listen_unix(path_, 0600);
    ASSERT_TRUE(restarted) << restarted.error().message();
    expect_there(successor, 1);
  }
  expect_there(successor, Successor::kMissesMax - 1);
  EXPECT_TRUE(successor.is_gone(own_));
}

// One that took the node and ended before it listened leaves the asking agent's own socket.
TEST_F(SuccessorTest, TheAskingAgentIsNotItsOwnSuccessor) {
  const auto own = io::listen_unix(path_, 0600);
  ASSERT_TRUE(own) << own.error().message();
  own_ = FileIdentity::of(path_);
  Successor successor(path_);
  expect_there(successor, Successor::kMissesMax - 1);
  EXPECT_TRUE(successor.is_gone(own_));
}

TEST_F(SuccessorTest, OneThatIsTooBusyToAcceptIsThere) {
  const auto busy = io::listen_unix(path_, 0600, 0);
  ASSERT_TRUE(busy) << busy.error().message();
  Successor successor(path_);
  expect_there(successor, 3 * Successor::kMissesMax);
}

}  // namespace
}  // namespace keelson
