#include "retired.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/admin_request.h"
#include "support/wait_until.h"

namespace keelson {
namespace {

using testing::HasSubstr;

class RetiredTest : public testing::Test {
 protected:
  RetiredTest() {
    std::string name = testing::TempDir() + "retired-XXXXXX";
    options_.run_dir = ::mkdtemp(name.data());
    options_.node_name = "n1";
    options_.pod_uid = "a-1";
  }
  ~RetiredTest() override { std::filesystem::remove_all(options_.run_dir); }
  bool exists(const std::string& name) const {
    return std::filesystem::exists(options_.run_dir + "/" + name);
  }

  Options options_;
};

TEST_F(RetiredTest, TheMarkIsThatOfOnePod) {
  EXPECT_FALSE(is_retired(options_));
  ASSERT_TRUE(mark_retired(options_));
  EXPECT_TRUE(is_retired(options_));
  options_.pod_uid = "a-2";  // of a later installation
  EXPECT_FALSE(is_retired(options_));
  options_.pod_uid.clear();
  EXPECT_FALSE(is_retired(options_));
  ASSERT_TRUE(mark_retired(options_));
  EXPECT_FALSE(is_retired(options_));  // an agent that is no pod
}

TEST_F(RetiredTest, ItIsReadySaysWhyAndLeavesNothing) {
  ASSERT_TRUE(mark_retired(options_));
  std::thread agent([this] {
    const auto served = serve_retired(options_);
    EXPECT_TRUE(served) << served.error().message();
  });
  const std::string socket = options_.run_dir + "/agent.sock";
  EXPECT_TRUE(test::wait_until([&] { return test::admin_get(socket, "/readyz").status == 200; }));
  const auto status = test::admin_get(socket, "/v1/status");
  EXPECT_EQ(status.status, 503);
  EXPECT_THAT(status.body, HasSubstr("\"retired\""));
  EXPECT_THAT(status.body, HasSubstr("keelson.dev/uninstall-"));
  EXPECT_THAT(test::admin_get(socket, "/v1/version").body, HasSubstr("n1"));
  ::kill(::getpid(), SIGTERM);
  agent.join();
  EXPECT_FALSE(exists("agent.sock"));
  EXPECT_FALSE(exists("retired"));
}

// A later installation starts while this pod still ends.
TEST_F(RetiredTest, WhatASuccessorPutInItsPlaceStays) {
  ASSERT_TRUE(mark_retired(options_));
  std::thread agent([this] { EXPECT_TRUE(serve_retired(options_)); });
  const std::string socket = options_.run_dir + "/agent.sock";
  EXPECT_TRUE(test::wait_until([&] { return test::admin_get(socket, "/readyz").status == 200; }));
  std::ofstream(options_.run_dir + "/other") << "another's";
  std::filesystem::rename(options_.run_dir + "/other", socket);
  Options other = options_;
  other.pod_uid = "b-1";
  ASSERT_TRUE(mark_retired(other));
  ::kill(::getpid(), SIGTERM);
  agent.join();
  EXPECT_TRUE(exists("agent.sock"));
  EXPECT_TRUE(is_retired(other));
}

}  // namespace
}  // namespace keelson
