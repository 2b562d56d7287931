#include "proxy/hbone/pool.h"

#include "hbone_world.h"

namespace keelson::test {
namespace {

using hbone::PoolKey;

// Connects to servers of ours, or waits for the test's word.
class TestDialer final : public hbone::Dialer {
 public:
  explicit TestDialer(HboneWorld& world) : world_(world) {}
  struct Dial {
    PoolKey key;
    OnStream on_stream;
    bool is_cancelled = false;
  };
  class TestAttempt final : public Attempt {
   public:
    explicit TestAttempt(std::shared_ptr<Dial> dial) : dial_(std::move(dial)) {}
    ~TestAttempt() override { dial_->is_cancelled = true; }

   private:
    std::shared_ptr<Dial> dial_;
  };

  Result<std::unique_ptr<Attempt>> dial(const PoolKey& key, OnStream on_stream) override {
    if (refusal) return fail(*refusal, ErrorSource::kInternal, "test");
    dials.push_back(std::make_shared<Dial>(Dial{key, std::move(on_stream)}));
    return std::make_unique<TestAttempt>(dials.back());
  }
  Result<Identity> identify(const PoolKey&) override {
    identified++;
    return Identity{HboneWorld::context("web"), {spiffe_id("shop", expected)}, world_.account()};
  }
  // Answers a dial: a server of ours accepts.
  ServerHandler& succeed(size_t index) {
    auto wire = world_.wires.make();
    servers.push_back(std::make_unique<ServerHandler>());
    auto made = hbone::ServerConnection::start(
        {world_.environment, world_.account(), HboneWorld::context("cart"), std::move(wire.second)},
        *servers.back());
    servers.back()->connection = std::move(*made);
    servers.back()->on_request = [this](std::unique_ptr<hbone::ConnectRequest> request) {
      if (is_silent) return held.push_back(std::move(request));
      if (auto tunnel = request->accept()) accepted.push_back(std::move(*tunnel));
    };
    dials[index]->on_stream(std::move(wire.first));
    return *servers.back();
  }
  void fail_dial(size_t index, Reason why) {
    dials[index]->on_stream(fail(why, ErrorSource::kUpstream, "test"));
  }

  std::vector<std::shared_ptr<Dial>> dials;
  std::vector<std::unique_ptr<ServerHandler>> servers;
  std::vector<std::unique_ptr<hbone::Tunnel>> accepted;
  std::vector<std::unique_ptr<hbone::ConnectRequest>> held;
  std::optional<Reason> refusal;
  std::string expected = "cart";
  size_t identified = 0;
  bool is_silent = false;

 private:
  HboneWorld& world_;
};

class HbonePool : public ::testing::Test {
 protected:
  static PoolKey key(uint64_t pod = 1, const std::string& ip = "10.0.0.2") {
    return {pod, {*IpAddress::parse(ip), hbone::kHbonePort}, 11, 22};
  }
  // Answers land in `answers`.
  bool open(const PoolKey& its_key) {
    auto opened = pool->open(its_key, {"10.0.0.2:80", {}},
                             [this](auto result) { answers.push_back(std::move(result)); });
    if (!opened) refused = opened.error().reason;
    if (opened) pending.push_back(std::move(*opened));
    return opened.has_value();
  }
  void make_pool(hbone::PoolLimits limits = {}) {
    pool = std::make_unique<hbone::Pool>(world.environment, dialer, limits);
  }
  void SetUp() override { make_pool(); }
  void TearDown() override {
    pending.clear();
    answers.clear();
    dialer.accepted.clear();
    world.run();
    pool.reset();
    world.run();
  }
  size_t granted() const {
    return static_cast<size_t>(std::count_if(answers.begin(), answers.end(),
                                             [](const auto& one) { return one.has_value(); }));
  }

  HboneWorld world;
  TestDialer dialer{world};
  std::unique_ptr<hbone::Pool> pool;
  std::vector<std::unique_ptr<hbone::Pool::Pending>> pending;
  std::vector<Result<std::unique_ptr<hbone::Tunnel>>> answers;
  std::optional<Reason> refused;
};

TEST_F(HbonePool, DialsOnceForEveryoneWhoWaits) {
  for (int i = 0; i < 50; i++) ASSERT_TRUE(open(key()));
  world.run();
  EXPECT_EQ(dialer.dials.size(), 1u);
  EXPECT_EQ(pool->counts().waiting, 50u);
  EXPECT_TRUE(answers.empty());
  dialer.succeed(0);
  world.run();
  EXPECT_EQ(granted(), 50u);
  EXPECT_EQ(dialer.dials.size(), 1u);
  ASSERT_TRUE(open(key()));
  world.run();
  EXPECT_EQ(granted(), 51u);
  EXPECT_EQ(pool->counts().reused, 1u);
  EXPECT_EQ(pool->counts().connections, 1u);
}

TEST_F(HbonePool, KeepsPodsIdentitiesAndDestinationsApart) {
  PoolKey other_identity = key();
  other_identity.source_identity = 99;
  PoolKey other_peer = key();
  other_peer.destination_identity = 99;
  for (const auto& one : {key(1), key(2), key(1, "fd00::1"), other_identity, other_peer})
    ASSERT_TRUE(open(one));
  EXPECT_EQ(dialer.dials.size(), 5u);
}

TEST_F(HbonePool, OpensASecondConnectionWhenStreamsRunOut) {
  for (uint32_t i = 0; i < hbone::kClientTunnelsMax + 20; i++) ASSERT_TRUE(open(key()));
  dialer.succeed(0);
  world.run();
  EXPECT_EQ(granted(), hbone::kClientTunnelsMax);
  ASSERT_EQ(dialer.dials.size(), 2u);
  EXPECT_EQ(pool->counts().waiting, 20u);
  dialer.succeed(1);
  world.run();
  EXPECT_EQ(granted(), hbone::kClientTunnelsMax + 20);
  EXPECT_EQ(pool->counts().connections, 2u);
}

TEST_F(HbonePool, RoomThatATunnelLeavesServesTheNextWaiter) {
  for (uint32_t i = 0; i < hbone::kClientTunnelsMax + 1; i++) ASSERT_TRUE(open(key()));
  dialer.succeed(0);
  world.run();
  ASSERT_EQ(dialer.dials.size(), 2u);  // that one hangs
  answers.erase(answers.begin());
  world.run();
  EXPECT_EQ(granted(), hbone::kClientTunnelsMax);
  EXPECT_EQ(pool->counts().waiting, 0u);
}

TEST_F(HbonePool, TellsEveryWaiterWhyTheConnectionFailed) {
  for (int i = 0; i < 3; i++) ASSERT_TRUE(open(key()));
  dialer.fail_dial(0, Reason::connect_refused);
  EXPECT_TRUE(answers.empty()) << "told only in a turn";
  world.run();
  ASSERT_EQ(answers.size(), 3u);
  for (const auto& answer : answers) EXPECT_EQ(answer.error().reason, Reason::connect_refused);
  EXPECT_EQ(pool->connections_of(1), 0u);
  EXPECT_EQ(pool->counts().failed, 1u);
  ASSERT_TRUE(open(key()));  // tries anew
  EXPECT_EQ(dialer.dials.size(), 2u);
}

TEST_F(HbonePool, TellsEveryWaiterWhyTheHandshakeFailed) {
  dialer.expected = "somebody-else";
  for (int i = 0; i < 3; i++) ASSERT_TRUE(open(key()));
  dialer.succeed(0);
  world.run();
  ASSERT_EQ(answers.size(), 3u);
  for (const auto& answer : answers) EXPECT_EQ(answer.error().reason, Reason::identity_mismatch);
  EXPECT_EQ(pool->connections_of(1), 0u);
  EXPECT_EQ(pool->counts().connections, 0u);
}

TEST_F(HbonePool, GivesUpADialThatHangs) {
  ASSERT_TRUE(open(key()));
  world.advance(hbone::kConnectPatience);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().reason, Reason::hbone_handshake_timeout);
  EXPECT_TRUE(dialer.dials[0]->is_cancelled);
}

TEST_F(HbonePool, RefusesAtOnceWhatTheDialerRefuses) {
  dialer.refusal = Reason::socket_pool_empty;
  EXPECT_FALSE(open(key()));
  EXPECT_EQ(refused, Reason::socket_pool_empty);
  EXPECT_EQ(pool->counts().waiting, 0u);
}

TEST_F(HbonePool, BoundsItsQueueAndTheConnectionsOfAPod) {
  make_pool({.waiters_max = 4, .connections_per_pod_max = 2});
  for (int i = 0; i < 4; i++) ASSERT_TRUE(open(key()));
  EXPECT_FALSE(open(key()));
  EXPECT_EQ(refused, Reason::hbone_queue_full);
  ASSERT_TRUE(open(key(1, "10.0.0.3")));
  EXPECT_FALSE(open(key(1, "10.0.0.4")));
  EXPECT_EQ(refused, Reason::hbone_connection_limit);
  EXPECT_TRUE(open(key(2, "10.0.0.4"))) << "another pod has its own limit";
  EXPECT_EQ(pool->counts().refused, 2u);
}

TEST_F(HbonePool, CancelledWaitersAreNotAnsweredAndTheirPlaceIsFree) {
  make_pool({.waiters_max = 1, .connections_per_pod_max = 2});
  ASSERT_TRUE(open(key()));
  pending.clear();
  ASSERT_TRUE(open(key()));
  dialer.succeed(0);
  world.run();
  EXPECT_EQ(answers.size(), 1u);
}

TEST_F(HbonePool, CancelWhileThePeerThinksResetsTheStream) {
  dialer.is_silent = true;
  ASSERT_TRUE(open(key()));
  dialer.succeed(0);
  world.run();
  ASSERT_EQ(dialer.held.size(), 1u);
  pending.clear();
  world.run();
  EXPECT_TRUE(dialer.held[0]->is_gone());
  EXPECT_TRUE(answers.empty());
}

TEST_F(HbonePool, RetiredConnectionsFinishTheirTunnelsAndServeNoNewOnes) {
  ASSERT_TRUE(open(key()));
  auto& server = dialer.succeed(0);
  world.run();
  ASSERT_EQ(granted(), 1u);
  pool->retire([](const PoolKey& one) { return one.source_identity == 11; });
  world.run();
  EXPECT_FALSE(server.is_finished);
  ASSERT_TRUE(open(key()));
  EXPECT_EQ(dialer.dials.size(), 2u);
  dialer.succeed(1);
  world.run();
  EXPECT_EQ(granted(), 2u);
  EXPECT_EQ(dialer.identified, 2u) << "a new connection asks for the identity anew";
  answers.erase(answers.begin());
  world.run();
  EXPECT_TRUE(server.is_finished);
  EXPECT_EQ(pool->counts().connections, 1u);
}

TEST_F(HbonePool, RetireDuringTheHandshakeGivesWaitersAnotherConnection) {
  ASSERT_TRUE(open(key()));
  dialer.succeed(0);
  world.turns.run_all();
  pool->retire([](const PoolKey&) { return true; });
  world.run();
  ASSERT_EQ(dialer.dials.size(), 2u);
  dialer.succeed(1);
  world.run();
  EXPECT_EQ(granted(), 1u);
}

TEST_F(HbonePool, ADrainEndsEachConnectionInOrderAfterItsLastTunnel) {
  int empty = 0;
  ASSERT_TRUE(open(key()));
  auto& used = dialer.succeed(0);
  world.run();
  ASSERT_TRUE(open(key(1, "10.0.0.9")));
  auto& idle = dialer.succeed(1);
  world.run();
  ASSERT_EQ(granted(), 2u);
  answers.pop_back();
  world.run();
  pool->drain([&] { empty++; });
  world.run();
  EXPECT_TRUE(idle.is_finished);
  EXPECT_FALSE(idle.why.has_value()) << idle.why->message();
  EXPECT_FALSE(used.is_finished);
  EXPECT_EQ(empty, 0);
  answers.clear();
  world.run();
  EXPECT_TRUE(used.is_finished);
  EXPECT_FALSE(used.why.has_value()) << used.why->message();
  EXPECT_TRUE(pool->is_empty());
  EXPECT_EQ(empty, 1);
}

TEST_F(HbonePool, ADrainedOneStillServesAndThenEnds) {
  int empty = 0;
  pool->drain([&] { empty++; });
  ASSERT_TRUE(open(key()));
  auto& server = dialer.succeed(0);
  world.run();
  ASSERT_EQ(granted(), 1u);
  EXPECT_FALSE(server.is_finished);
  answers.clear();
  world.run();
  EXPECT_TRUE(server.is_finished);
  EXPECT_EQ(empty, 1);
}

TEST_F(HbonePool, AbortCutsTunnelsWaitersAndDials) {
  ASSERT_TRUE(open(key()));
  dialer.succeed(0);
  world.run();
  auto& end = world.end_for(std::move(*answers[0]));
  ASSERT_TRUE(open(key(1, "10.0.0.9")));
  pool->abort([](const PoolKey& one) { return one.source_pod == 1; }, Reason::policy_denied);
  world.run();
  EXPECT_EQ(end.read_error->reason, Reason::policy_denied);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].error().reason, Reason::policy_denied);
  EXPECT_EQ(pool->connections_of(1), 0u);
  EXPECT_TRUE(dialer.dials[1]->is_cancelled);
}

TEST_F(HbonePool, GoawayMovesNewTunnelsToANewConnection) {
  ASSERT_TRUE(open(key()));
  auto& server = dialer.succeed(0);
  world.run();
  server.connection->drain();
  world.run();
  ASSERT_TRUE(open(key()));
  ASSERT_EQ(dialer.dials.size(), 2u);
  dialer.succeed(1);
  world.run();
  EXPECT_EQ(granted(), 2u);
}

TEST_F(HbonePool, IdleConnectionsAreLetGo) {
  ASSERT_TRUE(open(key()));
  dialer.succeed(0);
  world.run();
  answers.clear();
  dialer.accepted.clear();
  world.advance(hbone::kIdleRelease);
  EXPECT_EQ(pool->counts().connections, 0u);
  EXPECT_EQ(pool->connections_of(1), 0u);
}

TEST_F(HbonePool, LostConnectionIsReplacedForTheNext) {
  ASSERT_TRUE(open(key()));
  auto& server = dialer.succeed(0);
  world.run();
  server.connection->abort(Reason::stream_reset);
  world.run();
  EXPECT_EQ(pool->counts().connections, 0u);
  ASSERT_TRUE(open(key()));
  EXPECT_EQ(dialer.dials.size(), 2u);
}

TEST_F(HbonePool, PendingMayOutliveThePool) {
  ASSERT_TRUE(open(key()));
  pool.reset();
  pending.clear();
}

TEST_F(HbonePool, StreamsRefusedUnprocessedGoToAnotherConnection) {
  // The peer's limit is one tunnel, which the client cannot know before it has opened three.
  for (int i = 0; i < 3; i++) ASSERT_TRUE(open(key()));
  auto wire = world.wires.make();
  auto tls = tls::TlsStream::accept(
      {HboneWorld::context("cart"), std::move(wire.second), world.blocks, world.signer});
  world.foreign = std::make_unique<ForeignPeer>(world.blocks, std::move(*tls), h2::Role::kServer,
                                                h2::Settings{});
  dialer.dials[0]->on_stream(std::move(wire.first));
  world.run();
  ASSERT_EQ(world.foreign->seen.size(), 3u);
  world.foreign->session().finish_goaway();  // processed all
  http::MessageHead ok;
  ok.status = 200;
  ASSERT_TRUE(world.foreign->session().respond(1, ok, http::EndOfMessage::kNo));
  world.foreign->session().reset(3, h2::ErrorCode::kRefusedStream);
  world.foreign->session().reset(5, h2::ErrorCode::kRefusedStream);
  world.run();
  EXPECT_EQ(granted(), 1u);
  ASSERT_EQ(dialer.dials.size(), 2u);
  dialer.succeed(1);
  world.run();
  EXPECT_EQ(granted(), 3u);
}

}  // namespace
}  // namespace keelson::test
