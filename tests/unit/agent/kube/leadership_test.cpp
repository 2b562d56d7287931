#include "kube/leadership.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/fake_rest.h"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;

std::string lease_of(const std::string& holder, const std::string& version,
                     const std::string& renewed = "2020-01-01T00:00:00.000000Z") {
  return R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"status",)"
         R"("namespace":"keelson-system","resourceVersion":")" +
         version + R"("},"spec":{"holderIdentity":")" + holder +
         R"(","leaseDurationSeconds":30,"leaseTransitions":4,"renewTime":")" + renewed + R"("}})";
}

class LeadershipTest : public ::testing::Test {
 protected:
  LeadershipTest() { agent_.start(); }

  // As the owner's timer would.
  void sleep() {
    ASSERT_TRUE(agent_.next_wake());
    clock_.advance(std::max<MonotonicTime::duration>(*agent_.next_wake() - clock_.now(), 0ns));
    agent_.wake();
  }
  void finds(const std::string& holder, const std::string& version) {
    rest_.answer("leases/status", 200, lease_of(holder, version));
  }
  void becomes_leader() {
    sleep();
    rest_.answer("leases/status", 200, lease_of("", "1"));
    rest_.answer("leases/status", 200, "{}");
    ASSERT_TRUE(agent_.is_leader());
  }

  test::FakeRest rest_;
  test::FakeClock clock_;
  size_t candidates_ = 3;
  Leadership agent_{"keelson-system",
                    "status",
                    "node-a",
                    {rest_, clock_, [] { return 0.5; }, [this] { return candidates_; }, [] {}}};
};

// make e2e-long, 2026-11-29: agents made it anew while helm took it away, and helm would not
// install again over a Lease that it had not made.
TEST_F(LeadershipTest, ALeaseThatIsGoneIsNotMade) {
  becomes_leader();
  sleep();
  rest_.answer("leases/status", 404, R"({"kind":"Status","reason":"NotFound"})");
  EXPECT_FALSE(rest_.is_called("leases"));
  ASSERT_TRUE(agent_.error());
  clock_.advance(Leadership::kDuration);
  EXPECT_FALSE(agent_.is_leader());
}

TEST_F(LeadershipTest, TheFirstTakesTheLeaseAndRenewsIt) {
  sleep();
  rest_.answer("leases/status", 200, lease_of("", "1"));
  const auto taken = rest_.call("leases/status");
  EXPECT_EQ(taken->method, "PUT");
  EXPECT_NE(taken->body.find(R"("holderIdentity":"node-a")"), std::string::npos);
  EXPECT_FALSE(agent_.is_leader());
  rest_.answer("leases/status", 200, "{}");
  EXPECT_TRUE(agent_.is_leader());
  EXPECT_EQ(*agent_.next_wake() - clock_.now(), Leadership::kRenewInterval);

  sleep();
  finds("node-a", "7");
  const auto renewed = rest_.call("leases/status");
  EXPECT_EQ(renewed->method, "PUT");
  EXPECT_NE(renewed->body.find(R"("resourceVersion":"7")"), std::string::npos);
  EXPECT_NE(renewed->body.find(R"("leaseTransitions":4)"), std::string::npos);
}

TEST_F(LeadershipTest, ALeaseThatSomebodyRenewsIsLeftAlone) {
  for (int version = 1; version < 9; version++) {
    sleep();
    finds("node-b", std::to_string(version));
    EXPECT_FALSE(rest_.is_called("leases"));
  }
  EXPECT_FALSE(agent_.is_leader());
}

TEST_F(LeadershipTest, ALeaseThatNobodyRenewedForItsDurationIsTaken) {
  sleep();
  finds("node-b", "1");
  while (clock_.now() < MonotonicTime(1h) + Leadership::kDuration) {
    EXPECT_FALSE(rest_.is_called("leases"));
    sleep();
    finds("node-b", "1");
  }
  const auto taken = rest_.call("leases/status");
  EXPECT_EQ(taken->method, "PUT");
  EXPECT_NE(taken->body.find(R"("leaseTransitions":5)"), std::string::npos);
  rest_.answer("leases/status", 200, "{}");
  EXPECT_TRUE(agent_.is_leader());
}

TEST_F(LeadershipTest, AReleasedLeaseIsTakenAtOnceAndWhoComesSecondIsNoLeader) {
  sleep();
  finds("", "1");
  rest_.answer("leases/status", 409, R"({"kind":"Status","reason":"Conflict"})");
  EXPECT_FALSE(agent_.is_leader());
}

TEST_F(LeadershipTest, AnEmptyLeaseAsTheChartMakesItIsTakenAtOnce) {
  sleep();
  rest_.answer("leases/status", 200,
               R"({"kind":"Lease","metadata":{"name":"status","resourceVersion":"3"},"spec":{}})");
  const auto taken = rest_.call("leases/status");
  EXPECT_EQ(taken->method, "PUT");
  EXPECT_NE(taken->body.find(R"("resourceVersion":"3")"), std::string::npos);
  rest_.answer("leases/status", 200, "{}");
  EXPECT_TRUE(agent_.is_leader());
}

TEST_F(LeadershipTest, ALeaderThatCannotRenewStopsByItself) {
  becomes_leader();
  const MonotonicTime renewed = clock_.now();
  for (;;) {
    sleep();
    if (clock_.now() - renewed >= Leadership::kDuration) break;
    rest_.fail("leases/status");
    EXPECT_TRUE(agent_.is_leader());
    EXPECT_EQ(agent_.error()->reason, Reason::cannot_reach);
  }
  EXPECT_FALSE(agent_.is_leader());
}

TEST_F(LeadershipTest, ALateAnswerCountsFromWhenTheRenewalWasSent) {
  becomes_leader();
  sleep();
  finds("node-a", "2");
  clock_.advance(Leadership::kDuration);
  rest_.answer("leases/status", 200, "{}");
  EXPECT_FALSE(agent_.is_leader());
}

TEST_F(LeadershipTest, ManyAgentsLookRarely) {
  candidates_ = 5000;
  sleep();
  finds("node-b", "1");
  EXPECT_GE(*agent_.next_wake() - clock_.now(), 500s);
}

TEST_F(LeadershipTest, OneOfManyThatSeesAnEndedLeaseLooksAgainSoon) {
  candidates_ = 5000;
  sleep();
  rest_.answer("leases/status", 200, lease_of("node-b", "1", "2019-01-01T00:00:00.000000Z"));
  EXPECT_EQ(*agent_.next_wake() - clock_.now(), Leadership::kDuration);
  sleep();
  rest_.answer("leases/status", 200, lease_of("node-b", "1", "2019-01-01T00:00:00.000000Z"));
  EXPECT_EQ(rest_.call("leases/status")->method, "PUT");
}

TEST_F(LeadershipTest, AnAnswerThatIsNoLeaseIsTrouble) {
  sleep();
  rest_.answer("leases/status", 200, "<html>");
  EXPECT_EQ(agent_.error()->reason, Reason::api_answer_malformed);
  EXPECT_FALSE(rest_.is_called("leases"));
  EXPECT_TRUE(agent_.next_wake());
}

}  // namespace
}  // namespace keelson::kube
