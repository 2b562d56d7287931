#include "proxy/upstream/pool.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "fake_alarms.h"
#include "support/fake_clock.h"
#include "upstream/fake_connector.h"

namespace keelson::proxy {
namespace {

struct Bench {
  Bench() {
    target.way = Target::Way::kLocal;
    target.source = pod("cart", 1);
    target.receiver = pod("pay", 2);
    target.destination = {*IpAddress::parse("10.0.0.2"), 8080};
    target.destination_identity = 2;
  }
  static std::shared_ptr<config::LocalPod> pod(const std::string& name, uint64_t identity) {
    auto made = std::make_shared<config::LocalPod>();
    made->uid = "uid-" + name;
    made->netns_cookie = identity + 100;
    made->identity = identity;
    return made;
  }
  std::unique_ptr<UpstreamPool::Pending> begin(const Target& to) {
    auto pending = pool.open(to, [this](Result<std::unique_ptr<UpstreamConnection>> made) {
      arrived.push_back(std::move(made));
    });
    EXPECT_TRUE(pending);
    return pending ? std::move(*pending) : nullptr;
  }
  std::unique_ptr<UpstreamConnection> connect(const Target& to) {
    const auto pending = begin(to);
    connector.answer();
    auto made = std::move(arrived.back());
    arrived.pop_back();
    return std::move(*made);
  }
  std::unique_ptr<UpstreamConnection> connect() { return connect(target); }
  Server& last() { return connector.servers.back(); }

  // One request and its answer, the way an exchange does it.
  void exchange(UpstreamConnection& connection, const Server& server,
                const char* answer = "HTTP/1.1 204 No Content\r\n\r\n") {
    http::MessageHead head;
    head.method = "GET";
    head.authority = "pay";
    head.target = "/";
    ASSERT_TRUE(connection.stream->write_head(head, http::EndOfMessage::kYes));
    ASSERT_TRUE(connection.stream->flush());
    server.say(answer);
    server.stream->announce();
    const auto got = connection.stream->read_head();
    ASSERT_TRUE(got && *got) << (got ? "no head" : got.error().message());
    BufferChain body(blocks);
    while (true) {
      const auto read = connection.stream->read_body(body, kBlockBytes);
      ASSERT_TRUE(read);
      if (read->kind != http::BodyRead::Kind::kData) break;
    }
  }
  // One that was used and given back.
  Server& keep(const Target& to) {
    auto connection = connect(to);
    Server& server = last();
    exchange(*connection, server);
    pool.give_back(std::move(connection));
    return server;
  }
  Server& keep() { return keep(target); }

  test::FakeClock clock;
  FakeAlarms alarms;
  BlockPool blocks;
  FakeConnector connector;
  UpstreamPool pool{connector, blocks, alarms, clock};
  std::vector<Result<std::unique_ptr<UpstreamConnection>>> arrived;
  Target target;
};

// Our end was sent, nothing was reset.
bool is_ended_in_order(const Server& server) {
  return server.requests->is_ended && !server.requests->is_reset;
}

TEST(UpstreamPool, LendsAConnectionAgain) {
  Bench bench;
  EXPECT_EQ(bench.pool.take_idle(bench.target), nullptr);
  auto connection = bench.connect();
  EXPECT_FALSE(connection->is_reused);
  bench.exchange(*connection, bench.last());
  bench.pool.give_back(std::move(connection));
  EXPECT_EQ(bench.pool.counts().idle, 1u);

  connection = bench.pool.take_idle(bench.target);
  ASSERT_NE(connection, nullptr);
  EXPECT_TRUE(connection->is_reused);
  EXPECT_EQ(bench.pool.take_idle(bench.target), nullptr) << "to one at a time";
  bench.exchange(*connection, bench.last());
  bench.pool.give_back(std::move(connection));
  EXPECT_EQ(bench.connector.servers.size(), 1u);
  EXPECT_EQ(bench.pool.counts().opened, 1u);
  EXPECT_EQ(bench.pool.counts().reused, 1u);
}

TEST(UpstreamPool, LendsTheLastUsedFirst) {
  Bench bench;
  auto first = bench.connect();
  const Server& one = bench.last();
  auto second = bench.connect();
  const Server& two = bench.last();
  bench.exchange(*first, one);
  bench.exchange(*second, two);
  const auto* last_used = first.get();
  bench.pool.give_back(std::move(second));
  bench.pool.give_back(std::move(first));
  EXPECT_EQ(bench.pool.take_idle(bench.target).get(), last_used);
}

struct OtherCase {
  const char* name;
  void (*change)(Target& target);
};
class UpstreamPoolSharing : public testing::TestWithParam<OtherCase> {};

TEST_P(UpstreamPoolSharing, NeverCrosses) {
  Bench bench;
  bench.keep();
  Target other = bench.target;
  GetParam().change(other);
  EXPECT_EQ(bench.pool.take_idle(other), nullptr);
  EXPECT_NE(bench.pool.take_idle(bench.target), nullptr);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, UpstreamPoolSharing,
    testing::Values(OtherCase{"SourcePods",
                              [](Target& to) {
                                auto other = std::make_shared<config::LocalPod>(*to.source);
                                other->netns_cookie++;  // the same identity
                                to.source = other;
                              }},
                    OtherCase{"SourceIdentities",
                              [](Target& to) {
                                auto other = std::make_shared<config::LocalPod>(*to.source);
                                other->identity++;
                                to.source = other;
                              }},
                    OtherCase{"ReceivingPods",
                              [](Target& to) {
                                auto other = std::make_shared<config::LocalPod>(*to.receiver);
                                other->netns_cookie++;  // a new pod with the old one's address
                                to.receiver = other;
                              }},
                    OtherCase{"Ports", [](Target& to) { to.destination.port++; }},
                    OtherCase{"DestinationIdentities",
                              [](Target& to) { to.destination_identity++; }},
                    OtherCase{"Ways", [](Target& to) { to.way = Target::Way::kHbone; }}),
    [](const auto& test) { return test.param.name; });

TEST(UpstreamPool, DropsAnIdleConnectionThatThePeerEnds) {
  Bench bench;
  Server& server = bench.keep();
  server.end();
  ASSERT_TRUE(server.stream->announce());
  EXPECT_EQ(bench.pool.take_idle(bench.target), nullptr) << "before the pool had its turn, too";
  bench.alarms.ring_all();
  EXPECT_EQ(bench.pool.counts().idle, 0u);
  EXPECT_TRUE(is_ended_in_order(server));
  EXPECT_EQ(bench.alarms.running(), 0u);
}

TEST(UpstreamPool, DropsAnIdleConnectionAsSoonAsItStirs) {
  Bench bench;
  Server& server = bench.keep();
  server.say("HTTP/1.1 408 Request Timeout\r\n\r\n");
  ASSERT_TRUE(server.stream->announce());
  bench.alarms.ring_all();
  EXPECT_EQ(bench.pool.counts().idle, 0u);
  EXPECT_TRUE(server.requests->is_reset);
}

TEST(UpstreamPool, DoesNotKeepWhatThePeerHasEndedAlready) {
  Bench bench;
  auto connection = bench.connect();
  bench.exchange(*connection, bench.last());
  bench.last().end();
  bench.pool.give_back(std::move(connection));
  EXPECT_EQ(bench.pool.counts().idle, 0u);
  EXPECT_TRUE(is_ended_in_order(bench.last()));
}

TEST(UpstreamPool, EndsInOrderWhatTheAnswerSaidIsTheLast) {
  Bench bench;
  auto connection = bench.connect();
  Server& server = bench.last();
  bench.exchange(*connection, server,
                 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
  bench.pool.give_back(std::move(connection));
  EXPECT_EQ(bench.pool.counts().idle, 0u);
  EXPECT_TRUE(is_ended_in_order(server));
  server.end();
  server.stream->announce();
  bench.alarms.ring_all();
  EXPECT_FALSE(server.requests->is_reset);
  EXPECT_EQ(bench.alarms.running(), 0u) << "nothing is left to be looked at";
}

TEST(UpstreamPool, ResetsWhatWasCutInAMessage) {
  Bench bench;
  auto connection = bench.connect();
  http::MessageHead head;
  head.method = "GET";
  head.authority = "pay";
  head.target = "/";
  ASSERT_TRUE(connection->stream->write_head(head, http::EndOfMessage::kYes));
  ASSERT_TRUE(connection->stream->flush());
  bench.pool.give_back(std::move(connection));
  EXPECT_TRUE(bench.last().requests->is_reset);
  EXPECT_EQ(bench.pool.in_use(bench.target.destination), 0u);
}

TEST(UpstreamPool, ForgetsWhatWasCancelled) {
  Bench bench;
  auto connection = bench.connect();
  connection->stream->cancel(Reason::downstream_ended);
  bench.pool.give_back(std::move(connection));
  EXPECT_EQ(bench.pool.counts().idle, 0u);
  EXPECT_EQ(bench.pool.in_use(bench.target.destination), 0u);
}

TEST(UpstreamPool, LetsGoWhatWasIdleForItsTime) {
  Bench bench;
  const Server& old = bench.keep();
  bench.clock.advance(kUpstreamIdleTime / 2);
  const auto other = bench.connect();
  bench.exchange(*other, bench.last());
  bench.alarms.ring_all();
  EXPECT_EQ(bench.pool.counts().idle, 1u);
  bench.clock.advance(kUpstreamIdleTime / 2);
  bench.alarms.ring_all();
  EXPECT_EQ(bench.pool.counts().idle, 0u);
  EXPECT_TRUE(is_ended_in_order(old));
  EXPECT_FALSE(bench.last().requests->is_ended) << "a lent one is nobody's to end";
}

TEST(UpstreamPool, ResetsWhatDoesNotEndInTime) {
  Bench bench;
  const Server& server = bench.keep();
  bench.clock.advance(kUpstreamIdleTime);
  bench.alarms.ring_all();
  bench.clock.advance(kUpstreamSweepTime - std::chrono::milliseconds(1));
  bench.alarms.ring_all();
  EXPECT_FALSE(server.requests->is_reset);
  bench.clock.advance(std::chrono::milliseconds(1));
  bench.alarms.ring_all();
  EXPECT_TRUE(server.requests->is_reset);
  EXPECT_EQ(bench.alarms.running(), 0u);
}

TEST(UpstreamPool, KeepsSoManyOfOneKeyAndLetsTheOldestGo) {
  Bench bench;
  std::vector<std::unique_ptr<UpstreamConnection>> lent;
  for (size_t i = 0; i < kUpstreamIdlePerKeyMax + 1; i++) {
    lent.push_back(bench.connect());
    bench.exchange(*lent.back(), bench.last());
  }
  for (auto& connection : lent) bench.pool.give_back(std::move(connection));
  EXPECT_EQ(bench.pool.counts().idle, kUpstreamIdlePerKeyMax);
  EXPECT_TRUE(bench.connector.servers[0].requests->is_ended);
  EXPECT_FALSE(bench.connector.servers[1].requests->is_ended);
}

TEST(UpstreamPool, KeepsSoManyInAllAndLetsTheOldestGo) {
  Bench bench;
  Target to = bench.target;
  for (size_t i = 0; i < kUpstreamIdleMax + 1; i++) {
    to.destination.port = static_cast<uint16_t>(1000 + i);
    bench.keep(to);
  }
  EXPECT_EQ(bench.pool.counts().idle, kUpstreamIdleMax);
  EXPECT_TRUE(is_ended_in_order(bench.connector.servers[0]));
  to.destination.port = 1000;
  EXPECT_EQ(bench.pool.take_idle(to), nullptr);
  to.destination.port = 1001;
  EXPECT_NE(bench.pool.take_idle(to), nullptr);
}

TEST(UpstreamPool, RetiresIdleOnesNowAndLentOnesWhenTheyComeBack) {
  Bench bench;
  Target other = bench.target;
  other.destination.port++;
  bench.keep(other);
  auto lent = bench.connect();
  Server& busy = bench.last();
  bench.exchange(*lent, busy);
  const Server& idle = bench.keep();
  bench.pool.retire([&](const UpstreamKey& key) {
    return key.source_pod == bench.target.source->netns_cookie &&
           key.destination == bench.target.destination;
  });
  EXPECT_EQ(bench.pool.counts().idle, 1u);
  EXPECT_TRUE(is_ended_in_order(idle));
  EXPECT_FALSE(busy.requests->is_ended);
  bench.pool.give_back(std::move(lent));
  EXPECT_TRUE(is_ended_in_order(busy));
  EXPECT_EQ(bench.pool.take_idle(bench.target), nullptr);
  EXPECT_NE(bench.pool.take_idle(other), nullptr);
}

TEST(UpstreamPool, ADrainKeepsNothingAndTellsWhenTheLastHasEnded) {
  Bench bench;
  int empty = 0;
  const Server& idle = bench.keep();
  Target other = bench.target;
  other.destination.port++;
  auto lent = bench.connect(other);
  const Server& busy = bench.last();
  bench.exchange(*lent, busy);
  bench.pool.drain([&] { empty++; });
  EXPECT_TRUE(is_ended_in_order(idle));
  EXPECT_FALSE(busy.requests->is_ended);
  bench.pool.give_back(std::move(lent));
  EXPECT_TRUE(is_ended_in_order(busy));
  EXPECT_FALSE(bench.pool.is_empty()) << "their ends are awaited";
  idle.end();
  idle.announce();
  bench.alarms.ring_within(std::chrono::milliseconds(0));
  EXPECT_EQ(empty, 0);
  busy.end();
  busy.announce();
  bench.alarms.ring_within(std::chrono::milliseconds(0));
  EXPECT_EQ(empty, 1);
  EXPECT_TRUE(bench.pool.is_empty());
  const Server& late = bench.keep();
  EXPECT_TRUE(is_ended_in_order(late)) << "also what is opened afterwards";
}

TEST(UpstreamPool, LendsNothingWhoseCarrierIsAboutToEnd) {
  Bench bench;
  Server& server = bench.keep();
  server.is_retiring = true;
  EXPECT_EQ(bench.pool.take_idle(bench.target), nullptr);
  EXPECT_TRUE(is_ended_in_order(server));
}

TEST(UpstreamPool, EndsIdleOnesWhoseCarrierWaitsForThem) {
  Bench bench;
  Server& server = bench.keep();
  bench.alarms.ring_all();
  EXPECT_EQ(bench.pool.counts().idle, 1u);
  server.is_retiring = true;
  bench.alarms.ring_all();
  EXPECT_EQ(bench.pool.counts().idle, 0u);
  EXPECT_TRUE(is_ended_in_order(server));
}

TEST(UpstreamPool, CountsWhatIsLentAndConnecting) {
  Bench bench;
  const Endpoint& to = bench.target.destination;
  auto pending = bench.begin(bench.target);
  EXPECT_EQ(bench.pool.in_use(to), 1u);
  EXPECT_EQ(bench.pool.counts().connecting, 1u);
  bench.connector.answer();
  EXPECT_EQ(bench.pool.in_use(to), 1u) << "not twice while the caller still holds both";
  EXPECT_EQ(bench.pool.counts().lent, 1u);
  pending.reset();
  auto connection = std::move(*bench.arrived.back());
  EXPECT_EQ(bench.pool.in_use(to), 1u);
  bench.exchange(*connection, bench.last());
  bench.pool.give_back(std::move(connection));
  EXPECT_EQ(bench.pool.in_use(to), 0u);
  connection = bench.pool.take_idle(bench.target);
  EXPECT_EQ(bench.pool.in_use(to), 1u);
  connection.reset();
  EXPECT_EQ(bench.pool.in_use(to), 0u);
  EXPECT_EQ(bench.pool.counts().lent, 0u);
}

TEST(UpstreamPool, CancelsByDestroying) {
  Bench bench;
  auto pending = bench.begin(bench.target);
  EXPECT_EQ(bench.connector.attempts, 1);
  pending.reset();
  EXPECT_EQ(bench.connector.attempts, 0);
  EXPECT_EQ(bench.pool.in_use(bench.target.destination), 0u);
  EXPECT_TRUE(bench.arrived.empty());
}

TEST(UpstreamPool, PassesOnWhyThereIsNoConnection) {
  Bench bench;
  const auto pending = bench.begin(bench.target);
  bench.connector.fail_first(Reason::connect_refused);
  ASSERT_EQ(bench.arrived.size(), 1u);
  EXPECT_EQ(bench.arrived[0].error().reason, Reason::connect_refused);
  EXPECT_EQ(bench.pool.counts().failed, 1u);
  bench.connector.is_refusing = true;
  const auto refused = bench.pool.open(bench.target, [](auto) { FAIL(); });
  EXPECT_EQ(refused.error().reason, Reason::socket_pool_empty);
  EXPECT_EQ(bench.pool.in_use(bench.target.destination), 0u);
}

}  // namespace
}  // namespace keelson::proxy
