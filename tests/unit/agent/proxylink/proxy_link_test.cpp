// ProxyLink over its real socket, with proxies that speak by lib/config's own decoder.
#include "link_fixture.h"

namespace keelson::proxylink {
namespace {

TEST(SameContent, SeesEveryChangeOfRoutesAndEndpointsAndNoneThatIsNotThere) {
  const auto make = [](uint32_t weight, uint16_t port, bool with_consumer) {
    auto set = std::make_shared<config::RouteSet>();
    set->rules.emplace_back().backends.emplace_back().weight = weight;
    auto routes = std::make_shared<config::ServiceRoutes>();
    routes->producer = set;
    if (with_consumer) routes->consumer["web"] = set;
    auto made = sample(1);
    made->services[41] = std::make_shared<const config::Service>(
        config::Service{"shop", "pay", 80, {41, 0}, routes});
    made->endpoints[41] = std::make_shared<const config::EndpointSet>(
        config::EndpointSet{"shop/pay:80", {{IpAddress::parse("10.0.0.1").value(), port}}});
    return made;
  };
  EXPECT_TRUE(same_content(*make(1, 8080, true), *make(1, 8080, true)));
  EXPECT_FALSE(same_content(*make(1, 8080, true), *make(2, 8080, true)));
  EXPECT_FALSE(same_content(*make(1, 8080, true), *make(1, 8081, true)));
  EXPECT_FALSE(same_content(*make(1, 8080, true), *make(1, 8080, false)));
  EXPECT_FALSE(same_content(*make(1, 8080, true), *sample(1)));
}

TEST_F(ProxyLinkTest, AProxyGetsEverythingAfterItsHelloAndNothingBefore) {
  link_->set_config(sample(7));
  link_->set_key(kWeb, key("secret"));
  FakeProxy proxy(path_);
  turn({&proxy});
  EXPECT_EQ(proxy.commits, 0);
  EXPECT_FALSE(link_->status().connected);
  proxy.hello();
  turn({&proxy});
  ASSERT_EQ(proxy.commits, 1);
  EXPECT_TRUE(same_content(*proxy.config, *sample(7)));
  EXPECT_EQ(proxy.config->generation, 7u);
  EXPECT_EQ(*proxy.config->identities.at(kWeb)->key_material, "secret");
  EXPECT_EQ(proxy.config->identities.at(kPay)->key_material, nullptr);
  ASSERT_TRUE(proxy.maps);
  EXPECT_EQ(inode_of(proxy.maps->sockets.get()), socket_map_);
  EXPECT_EQ(inode_of(proxy.maps->notes.get()), note_map_);
  const ProxyStatus status = link_->status();
  EXPECT_TRUE(status.connected);
  EXPECT_EQ(status.pid, 77u);
  EXPECT_EQ(status.version, "1.2.3");
  EXPECT_EQ(status.acknowledged_generation, 0u);
  EXPECT_EQ(take_events(), Events{"connected"});
}

TEST_F(ProxyLinkTest, WithoutAProxyNothingIsPublished) {
  link_->set_config(sample(1));
  EXPECT_FALSE(link_->publish(1));
  FakeProxy proxy(path_);
  turn();
  EXPECT_FALSE(link_->publish(2)) << "not before its Hello";
  EXPECT_EQ(take_events(), Events{});
}

TEST_F(ProxyLinkTest, TheRolloutHearsOfItsTicketWhenTheProxyAcknowledges) {
  FakeProxy proxy(path_);
  serve(proxy);
  proxy.ack();
  turn();
  EXPECT_EQ(take_events(), Events{"connected"});
  link_->set_config(huge(2));
  EXPECT_TRUE(link_->publish(5));
  turn({&proxy});
  EXPECT_EQ(take_events(), Events{}) << "not acknowledged yet";
  ASSERT_EQ(proxy.commits, 2);
  EXPECT_EQ(proxy.config->services.size(), 6001u);
  proxy.ack();
  turn();
  EXPECT_EQ(take_events(), Events{"published 5"});
  EXPECT_EQ(link_->status().acknowledged_generation, 2u);
}

TEST_F(ProxyLinkTest, WhatTheProxyServesAlreadyIsNotSentAgainAndStillPublished) {
  FakeProxy proxy(path_);
  serve(proxy);
  proxy.ack();
  turn();
  take_events();
  link_->set_config(sample(2));
  EXPECT_TRUE(link_->publish(9));
  EXPECT_EQ(take_events(), Events{}) << "never from within publish()";
  turn({&proxy});
  EXPECT_EQ(take_events(), Events{"published 9"});
  EXPECT_EQ(proxy.commits, 1);
  EXPECT_EQ(link_->counts().updates_total, 1u);
  EXPECT_EQ(link_->status().acknowledged_generation, 2u);
}

TEST_F(ProxyLinkTest, AChangeThatNoRolloutWaitsForReachesTheProxyToo) {
  link_->set_config(sample(1));
  link_->set_key(kWeb, key("old"));
  FakeProxy proxy(path_);
  proxy.hello();
  turn({&proxy});
  link_->set_key(kWeb, key("new"));
  turn({&proxy});
  EXPECT_EQ(*proxy.config->identities.at(kWeb)->key_material, "new");
  link_->set_key(kWeb, nullptr);
  turn({&proxy});
  EXPECT_EQ(proxy.config->identities.at(kWeb)->key_material, nullptr);
  EXPECT_EQ(proxy.commits, 3);
  EXPECT_EQ(proxy.config->generation, 3u) << "a proxy never sees a number twice";
}

TEST_F(ProxyLinkTest, ARefusedConfigurationIsAFindingAndBlocksUntilABetterOneIsAcknowledged) {
  FakeProxy proxy(path_);
  serve(proxy);
  EXPECT_TRUE(link_->publish(1));
  proxy.say(config::encode_nack({1, Reason::key_invalid, "bad\x1b[31m key"}));
  turn();
  EXPECT_EQ(take_events(), Events{"connected"});
  ASSERT_EQ(link_->findings().size(), 1u);
  EXPECT_EQ(link_->findings()[0].reason, Reason::proxy_config_refused);
  EXPECT_NE(link_->findings()[0].message.find("key_invalid: bad?[31m key"), std::string::npos)
      << link_->findings()[0].message;
  auto better = sample(2);
  better->services.clear();
  link_->set_config(better);
  EXPECT_TRUE(link_->publish(2));
  turn({&proxy});
  proxy.ack();
  turn();
  EXPECT_EQ(take_events(), Events{"published 2"});
  EXPECT_TRUE(link_->findings().empty());
}

TEST_F(ProxyLinkTest, AProxyThatDoesNotAcknowledgeIsAFindingAfterAWhile) {
  FakeProxy proxy(path_);
  serve(proxy);
  EXPECT_TRUE(link_->findings().empty());
  clock_.advance(std::chrono::seconds(11));
  ASSERT_EQ(link_->findings().size(), 1u);
  EXPECT_EQ(link_->findings()[0].reason, Reason::proxy_unresponsive);
  proxy.ack();
  turn();
  EXPECT_TRUE(link_->findings().empty());
}

TEST_F(ProxyLinkTest, WhenTheOnlyProxyGoesTheRolloutIsTold) {
  {
    FakeProxy proxy(path_);
    serve(proxy);
    EXPECT_TRUE(link_->publish(1));
  }
  turn();
  EXPECT_EQ(take_events(), (Events{"connected", "lost"}));
  EXPECT_FALSE(link_->publish(2));
  EXPECT_FALSE(link_->status().connected);
  EXPECT_EQ(link_->counts().dropped_total, 0u) << "going is no fault";

  FakeProxy next(path_);
  next.hello();
  turn({&next});
  EXPECT_TRUE(same_content(*next.config, *sample(1))) << "everything again";
  EXPECT_EQ(take_events(), Events{"connected"});
}

TEST_F(ProxyLinkTest, OfTwoProxiesBothGetEverythingAndTheNewestOnesAnswerCounts) {
  FakeProxy old(path_);
  serve(old);
  FakeProxy successor(path_);
  successor.hello("2.0.0");
  turn({&old, &successor});
  EXPECT_EQ(link_->status().version, "2.0.0");
  EXPECT_EQ(link_->status().connections, 2u);
  auto changed = sample(2);
  changed->services.clear();
  link_->set_config(changed);
  EXPECT_TRUE(link_->publish(2));
  turn({&old, &successor});
  EXPECT_TRUE(same_content(*old.config, *changed));
  EXPECT_TRUE(same_content(*successor.config, *changed));
  old.ack();
  turn();
  EXPECT_EQ(take_events(), Events{"connected"});
  successor.ack();
  turn();
  EXPECT_EQ(take_events(), Events{"published 2"});
}

TEST_F(ProxyLinkTest, WhenTheSuccessorDiesTheAnswerOfTheOlderOneCountsAgain) {
  FakeProxy old(path_);
  serve(old);
  {
    FakeProxy successor(path_);
    successor.hello();
    turn({&old, &successor});
    EXPECT_TRUE(link_->publish(3));
    old.ack();
    turn();
    EXPECT_EQ(take_events(), Events{"connected"});
  }
  turn();
  EXPECT_EQ(take_events(), Events{"published 3"});
}

TEST_F(ProxyLinkTest, ASlowProxyGetsTheUpdateThatBeganAndTheNewestOnly) {
  // A machine that is busy elsewhere for ten seconds must not look like a proxy that reads nothing.
  open({.uids = {::geteuid()}, .patience = std::chrono::hours(1)});
  link_->set_config(huge(1));
  FakeProxy proxy(path_);
  proxy.hello();
  turn();  // it does not read yet
  for (uint64_t generation = 2; generation <= 20; generation++) {
    link_->set_config(huge(generation));
    EXPECT_TRUE(link_->publish(generation));
  }
  turn({&proxy});
  EXPECT_EQ(proxy.commits, 2);
  EXPECT_EQ(proxy.config->generation, 20u);
  proxy.ack();
  turn();
  EXPECT_EQ(take_events(), (Events{"connected", "published 20"}));
}

TEST_F(ProxyLinkTest, AProxyThatReadsNothingIsDropped) {
  open({.uids = {::geteuid()}, .patience = milliseconds(20)});
  link_->set_config(huge(1));
  FakeProxy proxy(path_);
  proxy.hello();
  while (!link_->status().connected) loop_.run_once();
  EXPECT_TRUE(link_->publish(1));
  while (link_->counts().dropped_total == 0) loop_.run_once();
  EXPECT_EQ(take_events(), (Events{"connected", "lost"}));
  ASSERT_EQ(link_->findings().size(), 1u);
  EXPECT_EQ(link_->findings()[0].reason, Reason::proxy_unresponsive);
}

TEST_F(ProxyLinkTest, AClientThatSaysNothingIsDropped) {
  open({.uids = {::geteuid()}, .patience = milliseconds(20)});
  FakeProxy mute(path_);
  while (link_->counts().dropped_total == 0) loop_.run_once();
  turn({&mute});
  EXPECT_TRUE(mute.closed);
  EXPECT_EQ(take_events(), Events{});
}

TEST_F(ProxyLinkTest, WhatIsNoAnswerOfAProxyEndsItsConnection) {
  link_->set_config(sample(1));
  const std::vector<std::string> garbage{"\xff\xff\xff", config::encode_ack(1),
                                         config::encode_stats_request(),
                                         config::encode_hello({99, "9.9.9", 1, 1})};
  for (const std::string& bytes : garbage) {
    FakeProxy proxy(path_);
    proxy.say(bytes);
    turn({&proxy});
    EXPECT_TRUE(proxy.closed);
    EXPECT_EQ(proxy.commits, 0);
  }
  EXPECT_EQ(link_->findings().at(0).reason, Reason::proxy_version_mismatch);
  for (const std::string& bytes :
       {config::encode_ack(2), config::encode_nack({2, Reason::internal, ""}),
        config::encode_hello({config::kLinkProtocolVersion, "1", 1, 1})}) {
    FakeProxy proxy(path_);
    proxy.hello();
    turn({&proxy});
    proxy.say(bytes);
    turn({&proxy});
    EXPECT_TRUE(proxy.closed);
  }
  EXPECT_EQ(link_->counts().dropped_total, garbage.size() + 3);
}

TEST_F(ProxyLinkTest, AnotherUserIsRefused) {
  open({.uids = {::geteuid() + 1}});
  link_->set_config(sample(1));
  FakeProxy stranger(path_);
  stranger.hello();
  turn({&stranger});
  EXPECT_TRUE(stranger.closed);
  EXPECT_EQ(stranger.commits, 0);
  EXPECT_EQ(link_->counts().refused_total, 1u);
  EXPECT_EQ(link_->findings().at(0).reason, Reason::caller_not_allowed);
}

TEST_F(ProxyLinkTest, MoreProxiesThanARestartNeedsAreRefused) {
  std::vector<std::unique_ptr<FakeProxy>> proxies;
  for (int i = 0; i < 5; i++) {
    proxies.push_back(std::make_unique<FakeProxy>(path_));
    turn({proxies.back().get()});
  }
  EXPECT_FALSE(proxies[3]->closed);
  EXPECT_TRUE(proxies[4]->closed);
}

TEST_F(ProxyLinkTest, CountersComeWhenAsked) {
  FakeProxy proxy(path_);
  serve(proxy);
  link_->request_stats();
  turn({&proxy});
  EXPECT_TRUE(proxy.stats_wanted);
  config::Stats stats;
  stats.connections_total = 5;
  proxy.say(config::encode_stats(stats));
  turn();
  ASSERT_TRUE(link_->status().stats);
  EXPECT_EQ(link_->status().stats->connections_total, 5u);
}

TEST_F(ProxyLinkTest, AKeyThatGoesIsNotClosedWhileItIsOnItsWay) {
  auto config = sample(1);
  for (uint64_t id = 1000; id < 7000; id++)
    config->identities[id] = std::make_shared<const config::Identity>(
        config::Identity{std::string(60, 'i') + std::to_string(id), nullptr});
  link_->set_config(config);
  for (uint64_t id = 1000; id < 7000; id += 100) link_->set_key(id, key("secret"));
  FakeProxy proxy(path_);
  proxy.hello();
  turn();  // a part of it is sent
  for (uint64_t id = 1000; id < 7000; id += 100) link_->set_key(id, nullptr);
  std::vector<Fd> reused;
  for (int i = 0; i < 60; i++) reused.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  turn({&proxy});
  EXPECT_EQ(proxy.commits, 2);
  EXPECT_EQ(proxy.config->identities.at(1000)->key_material, nullptr);
}

TEST_F(ProxyLinkTest, AFencedAgentLetsItsProxiesGoWithoutTellingItsRollout) {
  FakeProxy proxy(path_);
  serve(proxy);
  take_events();
  link_->shut();
  turn({&proxy});
  EXPECT_TRUE(proxy.closed);
  EXPECT_EQ(take_events(), Events{});
  EXPECT_FALSE(link_->publish(1));
}

// ---- with a real rollout ---------------------------------------------------------------------

class MapsInMemory final : public rollout::MapWriter {
 public:
  Result<void> put(compile::MapId map, std::string_view key, std::string_view value) override {
    rows[{map, std::string(key)}] = std::string(value);
    return {};
  }
  Result<void> erase(compile::MapId map, std::string_view key) override {
    rows.erase({map, std::string(key)});
    return {};
  }
  Result<compile::Rows> read_all() override { return rows; }
  compile::Rows rows;
};

// A pod that joins: its row steers, so the proxy must know it first.
std::shared_ptr<const compile::Plan> plan_with_pods(uint64_t generation, uint64_t pods) {
  auto plan = std::make_shared<compile::Plan>();
  plan->generation = generation;
  for (uint64_t cookie = 1; cookie <= pods; cookie++)
    plan->rows[{compile::MapId::kPod, compile::bytes_of(cookie)}] = compile::bytes_of(ks_pod{});
  auto config = sample(generation);
  config->services[pods] = config->services.begin()->second;
  plan->proxy = config;
  return plan;
}

class ProxyLinkWithRollout : public ProxyLinkTest {
 protected:
  void SetUp() override {
    ProxyLinkTest::SetUp();
    link_.reset();
    ProxyLink::Callbacks callbacks;
    callbacks.on_published = [this](uint64_t ticket) {
      EXPECT_TRUE(rollout_->on_published(ticket));
    };
    callbacks.on_proxy_lost = [this] { EXPECT_TRUE(rollout_->on_proxy_lost()); };
    link_ = std::make_unique<ProxyLink>(
        loop_, clock_,
        ProxyMapFds{Fd(::open("/dev/null", O_RDONLY)), Fd(::open("/dev/null", O_RDONLY))},
        std::move(callbacks), ProxyLinkOptions{.uids = {::geteuid()}});
    ASSERT_TRUE(link_->listen(path_));
    rollout_.emplace(maps_, *link_);
  }
  void apply(std::shared_ptr<const compile::Plan> plan) {
    link_->set_config(plan->proxy);
    EXPECT_TRUE(rollout_->apply(plan));
  }

  MapsInMemory maps_;
  std::optional<rollout::Rollout> rollout_;
};

TEST_F(ProxyLinkWithRollout, SteeringWaitsForTheAcknowledgementOfTheNewestPlan) {
  apply(plan_with_pods(1, 1));
  EXPECT_EQ(rollout_->phase(), rollout::Phase::kIdle) << "no proxy, no waiting";
  FakeProxy proxy(path_);
  proxy.hello();
  turn({&proxy});
  proxy.ack();
  turn();
  apply(plan_with_pods(2, 2));
  EXPECT_EQ(rollout_->phase(), rollout::Phase::kPublish);
  EXPECT_EQ(maps_.rows.size(), 1u);
  turn({&proxy});
  const auto second = proxy.config;
  apply(plan_with_pods(3, 3));
  proxy.say(config::encode_ack(second->generation));
  turn();
  EXPECT_EQ(rollout_->phase(), rollout::Phase::kPublish) << "of an older plan";
  turn({&proxy});
  proxy.ack();
  turn();
  EXPECT_EQ(rollout_->phase(), rollout::Phase::kIdle);
  EXPECT_EQ(maps_.rows.size(), 3u);
}

TEST_F(ProxyLinkWithRollout, AProxyThatGoesDoesNotHoldTheRolloutUp) {
  {
    FakeProxy proxy(path_);
    link_->set_config(sample(1));
    proxy.hello();
    turn({&proxy});
    apply(plan_with_pods(2, 2));
    EXPECT_EQ(rollout_->phase(), rollout::Phase::kPublish);
  }
  turn();
  EXPECT_EQ(rollout_->phase(), rollout::Phase::kIdle);
  EXPECT_EQ(maps_.rows.size(), 2u);
}

}  // namespace
}  // namespace keelson::proxylink
