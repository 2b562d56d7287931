#include "ca/issuance_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace keelson::ca {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

IssuanceRecord issued() {
  IssuanceRecord record;
  record.time = WallTime(std::chrono::seconds(1'795'849'200));
  record.caller = Caller{"n1", "nu1", "keelson-agent-x", "au1"};
  record.ns = "shop";
  record.service_account = "cart";
  record.spiffe_id = "spiffe://cluster.local/ns/shop/sa/cart";
  record.pod_ns = "shop", record.pod_name = "cart-1", record.pod_uid = "u1";
  record.serial = "0abc";
  record.fingerprint = "ff00";
  record.not_after = record.time + std::chrono::hours(24);
  return record;
}

class IssuanceLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "keelson-log-XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    path_ = folder_ + "/issued.log";
  }
  void TearDown() override { fs::remove_all(folder_); }
  static std::string read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::string folder_, path_;
};

TEST_F(IssuanceLogTest, ACertificatesLineTellsWhoAskedAndWhatForAndByWhichPod) {
  const Json line = Json::parse(issuance_line(issued()));
  EXPECT_EQ(line, (Json{{"time", "2026-11-28T07:00:00Z"},
                        {"event", "issued"},
                        {"node", "n1"},
                        {"node_uid", "nu1"},
                        {"agent_pod", "keelson-agent-x"},
                        {"agent_pod_uid", "au1"},
                        {"namespace", "shop"},
                        {"service_account", "cart"},
                        {"id", "spiffe://cluster.local/ns/shop/sa/cart"},
                        {"pod", "shop/cart-1"},
                        {"pod_uid", "u1"},
                        {"serial", "0abc"},
                        {"fingerprint_sha256", "ff00"},
                        {"not_after", "2026-11-29T07:00:00Z"}}));
}

TEST_F(IssuanceLogTest, WhateverACallerWritesStaysInItsField) {
  IssuanceRecord record;
  record.refused = Reason::ca_no_live_pod;
  for (const std::string& hostile :
       {std::string("a\"}\n{\"event\":\"issued\"}"), std::string("\xff\xfe\0\x1b[2J", 7),
        std::string(100'000, 'x'), std::string("\xe2\x80\xa8")}) {
    record.ns = record.service_account = record.detail = hostile;
    const std::string line = issuance_line(record);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_LT(line.size(), 8192U);
    const Json parsed = Json::parse(line, nullptr, false);
    ASSERT_TRUE(parsed.is_object()) << line;
    EXPECT_EQ(parsed["event"], "refused");
    EXPECT_EQ(parsed["reason"], "ca_no_live_pod");
    for (const char byte : line) EXPECT_TRUE(byte == '\n' || (byte >= 0x20 && byte < 0x7f));
  }
}

TEST_F(IssuanceLogTest, AppendsToItsFileAndToTheCopyAndFollowsARotation) {
  const Fd copy(::open((folder_ + "/copy").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
  auto log = std::move(*IssuanceLog::open({path_, copy.get()}));
  ASSERT_TRUE(log->write_issued(issued()));
  fs::rename(path_, path_ + ".1");
  IssuanceRecord refusal;
  refusal.refused = Reason::ca_token_refused;
  log->write_refused(refusal);
  EXPECT_EQ(read(path_ + ".1"), issuance_line(issued()) + issuance_line(refusal));
  ASSERT_TRUE(log->reopen());
  ASSERT_TRUE(log->write_issued(issued()));
  EXPECT_EQ(read(path_), issuance_line(issued()));
  EXPECT_EQ(read(folder_ + "/copy"),
            issuance_line(issued()) + issuance_line(refusal) + issuance_line(issued()));
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST_F(IssuanceLogTest, AFileThatOthersCouldReadOrThatIsNoneIsRefusedAndTheOldOneKept) {
  auto log = std::move(*IssuanceLog::open({path_, -1}));
  fs::rename(path_, path_ + ".1");
  std::ofstream(path_) << "";
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  EXPECT_EQ(log->reopen().error().reason, Reason::authority_state_unsafe);
  ASSERT_TRUE(log->write_issued(issued()));
  EXPECT_EQ(read(path_ + ".1"), issuance_line(issued()));
  EXPECT_FALSE(IssuanceLog::open({folder_, -1}));
  EXPECT_FALSE(IssuanceLog::open({folder_ + "/none/issued.log", -1}));
}

TEST_F(IssuanceLogTest, AFullDiskIsAnErrorForACertificateAndACountForARefusal) {
  const Fd full(::open("/dev/full", O_WRONLY));
  if (!full) GTEST_SKIP() << "no /dev/full";
  auto log = std::move(*IssuanceLog::open({"", full.get()}));
  const auto written = log->write_issued(issued());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, Reason::issuance_log_failed);
  log->write_refused(issued());
  EXPECT_EQ(log->failures(), 2U);
}

}  // namespace
}  // namespace keelson::ca
