// What proxies report unasked: denials, and by their end what they carried.
#include "link_fixture.h"
#include "support/gauge_process.h"

namespace keelson::proxylink {
namespace {

TEST_F(ProxyLinkTest, StreamsOfAKilledProxyAreCountedOnceItIsDead) {
  test::GaugeProcess process({3, 4});
  FakeProxy proxy(path_);
  proxy.hello_with_gauge(process.memfd.get(), 2);
  turn();
  proxy.hang_up();
  turn();
  EXPECT_EQ(link_->counts().streams_lost_total, 0u) << "only its connection is lost";
  process.kill();
  while (link_->counts().streams_lost_total == 0) loop_.run_once();
  EXPECT_EQ(link_->counts().streams_lost_total, 7u);
  turn();
  EXPECT_EQ(link_->counts().streams_lost_total, 7u);
}

TEST_F(ProxyLinkTest, AProxyThatConnectsAgainHasLostNothingYet) {
  test::GaugeProcess process({5});
  FakeProxy before(path_);
  before.hello_with_gauge(process.memfd.get(), 1);
  turn();
  before.hang_up();
  turn();
  FakeProxy again(path_);
  again.hello_with_gauge(process.memfd.get(), 1);
  turn();
  process.kill();
  again.hang_up();
  turn();
  EXPECT_EQ(link_->counts().streams_lost_total, 5u) << "and not twice";
}

TEST_F(ProxyLinkTest, AProxyThatSaidGoodbyeHasLostNothing) {
  test::GaugeProcess process({5});
  FakeProxy proxy(path_);
  proxy.hello_with_gauge(process.memfd.get(), 1);
  proxy.say(config::encode_goodbye());
  process.kill();
  proxy.hang_up();
  turn();
  EXPECT_EQ(link_->counts().streams_lost_total, 0u);
  EXPECT_EQ(link_->counts().connected_total + link_->counts().dropped_total, 0u);
}

TEST_F(ProxyLinkTest, AGaugeThatCouldShrinkEndsTheConnection) {
  const Fd unsealed(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(unsealed.get(), 64), 0);
  FakeProxy proxy(path_);
  proxy.hello_with_gauge(unsealed.get(), 1);
  turn({&proxy});
  EXPECT_TRUE(proxy.closed);
  EXPECT_EQ(link_->counts().dropped_total, 1u);
}

TEST_F(ProxyLinkTest, DenialsArriveWithPrintableTextsAndABoundPerReport) {
  FakeProxy proxy(path_);
  proxy.hello();
  config::Denial denial;
  denial.time = WallTime(std::chrono::seconds(5));
  denial.reason = Reason::policy_denied;
  denial.source = "shop/web\x1b[2J";
  denial.policy = "shop/no-web";
  proxy.say(config::encode_denials({{denial, denial}, 9}));
  turn();
  ASSERT_EQ(denials_.denials.size(), 2u);
  EXPECT_EQ(denials_.lost, 9u);
  EXPECT_EQ(denials_.denials[1].time, denial.time);
  EXPECT_EQ(denials_.denials[1].reason, Reason::policy_denied);
  EXPECT_EQ(denials_.denials[1].source, "shop/web?[2J");
  EXPECT_EQ(denials_.denials[1].policy, "shop/no-web");
  proxy.say(config::encode_denials(
      {std::vector<config::Denial>(config::kDenialsPerReportMax + 1, denial), 0}));
  turn({&proxy});
  EXPECT_TRUE(proxy.closed);
  EXPECT_EQ(denials_.denials.size(), 2u);
}

}  // namespace
}  // namespace keelson::proxylink
