#include "status/reports.h"

#include <gmock/gmock.h>

#include "support/fake_clock.h"
#include "support/fake_rest.h"

namespace keelson::status {
namespace {

using namespace std::chrono_literals;

class ReportsTest : public testing::Test {
 protected:
  ReportsTest() {
    auto snapshot = std::make_shared<model::Snapshot>();
    snapshot->generation = 1;
    auto route = std::make_shared<model::HttpRoute>();
    route->meta.key = {model::Kind::kHttpRoute, "shop", "r"};
    snapshot->http_routes[route->meta.key] = route;
    auto plan = std::make_shared<compile::Plan>();
    plan->generation = 1;
    view_.snapshot = snapshot;
    view_.plan = plan;
    view_.pods = {{"shop", "web-1", "6f1c", SeenPod::State::kReady, Reason::none, "", 0}};
  }
  void run(std::chrono::milliseconds time) {
    const MonotonicTime end = clock_.now() + time;
    for (auto next = reports_.next_wake(); next && *next <= end; next = reports_.next_wake()) {
      clock_.advance(std::max<MonotonicTime::duration>(*next - clock_.now(), 0ns));
      reports_.wake();
    }
    clock_.advance(std::max<MonotonicTime::duration>(end - clock_.now(), 0ns));
  }
  void becomes_leader() {
    run(3s);
    rest_.answer("leases/keelson-status", 200,
                 R"({"kind":"Lease","metadata":{"resourceVersion":"1"},"spec":{}})");
    rest_.answer("leases/keelson-status", 200, "{}");
  }

  test::FakeRest rest_;
  test::FakeClock clock_;
  ReportView view_;
  Reports reports_{
      "n1", "keelson-system", {rest_, clock_, [] { return 0.5; }, [this] { return view_; }, [] {}}};
};

TEST_F(ReportsTest, NothingIsToldBeforeTheSourceHasToldAnything) {
  reports_.note_change();
  run(1h);
  EXPECT_EQ(rest_.calls_made(), 0u);
}

TEST_F(ReportsTest, RoutesAreTheLeadersAndPodsAreEveryNodes) {
  reports_.start(nullptr);
  reports_.note_change();
  run(500ms);
  EXPECT_TRUE(rest_.is_called("namespaces/shop/events"));
  EXPECT_FALSE(rest_.is_called("httproutes"));
  becomes_leader();
  run(1s);
  EXPECT_TRUE(rest_.is_called("httproutes/r"));
}

TEST_F(ReportsTest, PodsOfTheOwnNodeStateAreKnown) {
  model::NodeState before;
  before.pods.push_back({"6f1c", "shop", "web-1", "web", {}, model::PodState::kReady});
  reports_.start(&before);
  reports_.note_change();
  run(500ms);
  EXPECT_FALSE(rest_.is_called("events"));
}

TEST_F(ReportsTest, APlanOfAnotherGenerationTellsNothingOfRoutes) {
  auto plan = std::make_shared<compile::Plan>();
  plan->generation = 7;
  view_.plan = plan;
  reports_.start(nullptr);
  becomes_leader();
  reports_.note_change();
  run(1s);
  EXPECT_FALSE(rest_.is_called("httproutes"));
}

TEST_F(ReportsTest, AReadyAgentLooksForTheTaint) {
  reports_.start(nullptr);
  reports_.note_change();
  run(500ms);
  EXPECT_FALSE(rest_.is_called("nodes/n1"));
  view_.is_ready = true;
  reports_.note_change();
  run(500ms);
  EXPECT_TRUE(rest_.is_called("nodes/n1"));
}

TEST_F(ReportsTest, WhatIsForbiddenIsAFindingWithAFix) {
  view_.is_ready = true;
  reports_.start(nullptr);
  reports_.note_change();
  run(3s);
  const std::string forbidden = R"({"kind":"Status","reason":"Forbidden","message":"no"})";
  rest_.answer("leases", 403, forbidden);
  rest_.answer("nodes", 403, forbidden);
  rest_.answer("events", 403, forbidden);
  const auto findings = reports_.findings();
  ASSERT_EQ(findings.size(), 3u);
  for (const auto& finding : findings) {
    EXPECT_EQ(finding.reason, Reason::api_forbidden);
    EXPECT_FALSE(finding.fix.empty());
  }
}

}  // namespace
}  // namespace keelson::status
