#include "proxy/denial_log.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace keelson::proxy {
namespace {

class CountingLog final : public AccessLog {
 public:
  explicit CountingLog(size_t& lines) : lines_(lines) {}
  void write(const AccessRecord&) override { ++lines_; }
  uint64_t dropped() const override { return 3; }

 private:
  size_t& lines_;
};

AccessRecord denied(Path path = Path::kInbound, Reason reason = Reason::policy_denied) {
  AccessRecord record;
  record.path = path;
  record.reason = reason;
  record.source = "shop/web";
  record.destination_address = "10.0.0.1:80";
  record.policy = "shop/no-web";
  return record;
}

struct DenialLogTest : ::testing::Test {
  size_t lines = 0;
  DenialLog log{std::make_unique<CountingLog>(lines)};
};

TEST_F(DenialLogTest, keeps_what_policy_refused_here_and_writes_everything) {
  log.write(denied());
  log.write(denied(Path::kInbound, Reason::connections_cut));
  log.write(denied(Path::kInbound, Reason::relayed));
  log.write(denied(Path::kOutbound, Reason::hbone_denied_by_peer));
  EXPECT_EQ(lines, 4u);
  EXPECT_EQ(log.dropped(), 3u);
  const config::Denials taken = log.take();
  ASSERT_EQ(taken.denials.size(), 2u);
  EXPECT_EQ(taken.denials[0].source, "shop/web");
  EXPECT_EQ(taken.denials[0].destination_address, "10.0.0.1:80");
  EXPECT_EQ(taken.denials[0].policy, "shop/no-web");
  EXPECT_EQ(taken.denials[1].reason, Reason::connections_cut);
  EXPECT_FALSE(taken.denials[0].is_request);
  EXPECT_TRUE(log.take().is_empty());
}

// Nobody else reports it: it never reaches another node.
TEST_F(DenialLogTest, keeps_a_request_that_a_pod_of_this_node_refuses) {
  AccessRecord record = denied(Path::kOutbound, Reason::not_allowed);
  record.service = "shop/pay";
  record.http.emplace();
  log.write(record);
  const config::Denials taken = log.take();
  ASSERT_EQ(taken.denials.size(), 1u);
  EXPECT_TRUE(taken.denials[0].is_request);
  EXPECT_EQ(taken.denials[0].service, "shop/pay");
}

TEST_F(DenialLogTest, is_bounded_and_says_how_many_are_lost) {
  for (size_t i = 0; i < kDenialsWaitingMax + 5; i++) log.write(denied());
  const config::Denials first = log.take();
  EXPECT_EQ(first.denials.size(), config::kDenialsPerReportMax);
  EXPECT_EQ(first.lost, 5u);
  EXPECT_EQ(log.take().lost, 0u) << "told once";
}

}  // namespace
}  // namespace keelson::proxy
