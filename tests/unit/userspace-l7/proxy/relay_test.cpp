#include "proxy/relay.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "lib/tls/stream_pair.h"
#include "support/fake_clock.h"

namespace keelson::proxy {
namespace {

using test::MemoryStream;
using test::Pipe;

// client <-> near [relay] far <-> server, all in memory.
struct Bench {
  explicit Bench(size_t pool_blocks = 64, size_t tenant_bytes = 1u << 20)
      : pool(pool_blocks), tenant(hbone::Tenant{1}, "shop", tenant_bytes) {
    auto near = std::make_unique<MemoryStream>(from_client, to_client);
    auto far = std::make_unique<MemoryStream>(from_server, to_server);
    near_stream = near.get();
    far_stream = far.get();
    relay = std::make_unique<Relay>(std::move(near), std::move(far), pool, tenant, clock,
                                    [this] { wakes++; });
  }
  static void put(Pipe& pipe, std::string_view text) {
    for (const char c : text) pipe.bytes.push_back(static_cast<std::byte>(c));
  }
  static std::string take(Pipe& pipe) {
    std::string text;
    for (const std::byte b : pipe.bytes) text += static_cast<char>(b);
    pipe.bytes.clear();
    return text;
  }
  void say_near(std::string_view text) {
    put(*from_client, text);
    near_stream->announce();
    pump();
  }
  void say_far(std::string_view text) {
    put(*from_server, text);
    far_stream->announce();
    pump();
  }
  void take_turns() {
    for (const std::string_view question : {"question", "next"}) {
      say_near(question);
      say_far("answer");
    }
    ASSERT_TRUE(relay->is_answered());
  }
  Relay::State pump(size_t bytes_max = 1u << 20) { return relay->pump(bytes_max).state; }

  test::FakeClock clock;
  BlockPool pool;
  Tenant tenant;
  std::shared_ptr<Pipe> from_client = std::make_shared<Pipe>();
  std::shared_ptr<Pipe> to_client = std::make_shared<Pipe>();
  std::shared_ptr<Pipe> from_server = std::make_shared<Pipe>();
  std::shared_ptr<Pipe> to_server = std::make_shared<Pipe>();
  MemoryStream* near_stream = nullptr;
  MemoryStream* far_stream = nullptr;
  size_t wakes = 0;
  std::unique_ptr<Relay> relay;
};

TEST(Relay, CarriesBytesBothWays) {
  Bench bench;
  Bench::put(*bench.from_client, "ping");
  Bench::put(*bench.from_server, "pong");
  EXPECT_EQ(bench.pump(), Relay::State::kWaiting);
  EXPECT_EQ(Bench::take(*bench.to_server), "ping");
  EXPECT_EQ(Bench::take(*bench.to_client), "pong");
  EXPECT_EQ(bench.relay->bytes_sent(), 4u);
  EXPECT_EQ(bench.relay->bytes_received(), 4u);
}

TEST(Relay, IsWokenByWhatItWaitsFor) {
  Bench bench;
  EXPECT_EQ(bench.pump(), Relay::State::kWaiting);
  Bench::put(*bench.from_server, "late");
  EXPECT_TRUE(bench.far_stream->announce());
  EXPECT_EQ(bench.wakes, 1u);
  bench.pump();
  EXPECT_EQ(Bench::take(*bench.to_client), "late");
}

TEST(Relay, KeepsHalfClose) {
  Bench bench;
  Bench::put(*bench.from_client, "request");
  bench.from_client->is_ended = true;
  EXPECT_EQ(bench.pump(), Relay::State::kWaiting);
  EXPECT_TRUE(bench.to_server->is_ended);
  EXPECT_FALSE(bench.to_client->is_ended);
  Bench::put(*bench.from_server, "answer");
  bench.from_server->is_ended = true;
  bench.far_stream->announce();
  EXPECT_EQ(bench.pump(), Relay::State::kEnded);
  EXPECT_EQ(Bench::take(*bench.to_client), "answer");
  EXPECT_TRUE(bench.to_client->is_ended);
  bench.relay.reset();
  EXPECT_FALSE(bench.to_client->is_reset || bench.to_server->is_reset);
}

TEST(Relay, EndsADirectionOnlyAfterItsLastByte) {
  Bench bench;
  bench.to_server->capacity = 4;
  Bench::put(*bench.from_client, "long request");
  bench.from_client->is_ended = true;
  bench.pump();
  EXPECT_FALSE(bench.to_server->is_ended);
  std::string got;
  for (int i = 0; i < 3; i++) {
    got += Bench::take(*bench.to_server);
    bench.far_stream->announce();
    bench.pump();
  }
  EXPECT_EQ(got + Bench::take(*bench.to_server), "long request");
  EXPECT_TRUE(bench.to_server->is_ended);
}

TEST(Relay, StopsReadingWhenTheOtherSideDoesNotTake) {
  Bench bench;
  bench.to_server->capacity = 0;
  Bench::put(*bench.from_client, std::string(1u << 20, 'x'));
  EXPECT_EQ(bench.pump(), Relay::State::kWaiting);
  const size_t held = (1u << 20) - bench.from_client->bytes.size();
  EXPECT_LE(held, kRelayBufferBytesMax);
  EXPECT_GE(held, kRelayBufferBytesMax - kBlockBytes);
  EXPECT_EQ(bench.tenant.buffered_bytes, held);
}

TEST(Relay, ASlowSideDoesNotStopTheOtherDirection) {
  Bench bench;
  bench.to_server->capacity = 0;
  Bench::put(*bench.from_client, std::string(1u << 20, 'x'));
  Bench::put(*bench.from_server, "news");
  bench.pump();
  EXPECT_EQ(Bench::take(*bench.to_client), "news");
}

TEST(Relay, HoldsNoBufferWhileItIsIdle) {
  Bench bench;
  Bench::put(*bench.from_client, std::string(100000, 'x'));
  bench.pump();
  EXPECT_EQ(bench.pool.counts().in_use, 0u);
  EXPECT_EQ(bench.tenant.buffered_bytes, 0u);
}

TEST(Relay, SpendsAboutItsBudgetAndAsksForMore) {
  Bench bench;
  bench.to_server->capacity = SIZE_MAX;
  Bench::put(*bench.from_client, std::string(1u << 20, 'x'));
  const auto progress = bench.relay->pump(64 * 1024);
  EXPECT_EQ(progress.state, Relay::State::kMore);
  EXPECT_LE(progress.bytes, 128u * 1024);
  while (bench.pump(64 * 1024) == Relay::State::kMore) {
  }
  EXPECT_EQ(bench.to_server->bytes.size(), 1u << 20);
}

struct ResetCase {
  const char* name;
  bool by_client;
};
class RelayReset : public testing::TestWithParam<ResetCase> {};

TEST_P(RelayReset, OfOneSideResetsTheOther) {
  Bench bench;
  Pipe& broken = GetParam().by_client ? *bench.from_client : *bench.from_server;
  Pipe& other = GetParam().by_client ? *bench.to_server : *bench.to_client;
  bench.pump();
  broken.is_reset = true;
  (GetParam().by_client ? bench.near_stream : bench.far_stream)->announce();
  EXPECT_EQ(bench.pump(), Relay::State::kFailed);
  EXPECT_TRUE(other.is_reset);
  EXPECT_EQ(bench.relay->failed_far(), !GetParam().by_client);
}
INSTANTIATE_TEST_SUITE_P(Sides, RelayReset,
                         testing::Values(ResetCase{"client", true}, ResetCase{"server", false}),
                         [](const auto& test) { return test.param.name; });

TEST(Relay, AResetAfterHalfCloseIsNoCleanEnd) {
  Bench bench;
  bench.from_client->is_ended = true;
  bench.pump();
  bench.from_server->is_reset = true;
  bench.far_stream->announce();
  EXPECT_EQ(bench.pump(), Relay::State::kFailed);
  EXPECT_TRUE(bench.to_client->is_reset);
}

TEST(Relay, PassesOnWhatTheBrokenSideHadSaid) {
  Bench bench;
  Bench::put(*bench.from_client, "too much");
  Bench::put(*bench.from_server, "413, go away");
  bench.to_server->is_reset = true;  // writing to the server fails
  EXPECT_EQ(bench.pump(), Relay::State::kFailed);
  EXPECT_EQ(bench.to_client->seen, "413, go away");
  EXPECT_TRUE(bench.to_client->is_reset);
}

TEST(Relay, BeingDroppedBeforeItsEndResetsBothSides) {
  Bench bench;
  bench.from_client->is_ended = true;
  bench.pump();
  bench.relay.reset();
  EXPECT_TRUE(bench.to_client->is_reset);
  EXPECT_TRUE(bench.to_server->is_reset);
}

TEST(Relay, IsStarvedAndRecoversWhenThePoolIsEmpty) {
  Bench bench(1);
  BufferChain other(bench.pool);
  ASSERT_TRUE(other.append("somebody else's"));
  Bench::put(*bench.from_client, "ping");
  EXPECT_EQ(bench.pump(), Relay::State::kStarved);
  other.clear();
  EXPECT_EQ(bench.pump(), Relay::State::kWaiting);
  EXPECT_EQ(Bench::take(*bench.to_server), "ping");
}

TEST(Relay, IsStarvedWhenItsTenantHoldsItsShare) {
  Bench bench(64, 1000);
  bench.tenant.buffered_bytes = 1000;
  Bench::put(*bench.from_client, "ping");
  EXPECT_EQ(bench.pump(), Relay::State::kStarved);
  bench.tenant.buffered_bytes = 999;
  EXPECT_EQ(bench.pump(), Relay::State::kWaiting);
  EXPECT_EQ(Bench::take(*bench.to_server), "ping");
}

TEST(Relay, IsAnsweredWhenTheSidesTookTurnsAndTheFarOneSpokeLast) {
  Bench bench;
  bench.pump();
  EXPECT_FALSE(bench.relay->is_answered());  // nobody has said anything
  bench.say_far("greeting");
  EXPECT_FALSE(bench.relay->is_answered());
  bench.say_near("question");
  EXPECT_FALSE(bench.relay->is_answered());
  bench.say_far("answer");
  bench.say_far("that goes on");
  EXPECT_FALSE(bench.relay->is_answered());  // may be one that only its end marks
  bench.say_near("next question");
  EXPECT_FALSE(bench.relay->is_answered());
  bench.say_far("answer");
  EXPECT_TRUE(bench.relay->is_answered());
  // What comes together is no answer to each other.
  Bench::put(*bench.from_server, "more");
  bench.far_stream->announce();
  Bench::put(*bench.from_client, "next");
  bench.near_stream->announce();
  bench.pump();
  EXPECT_FALSE(bench.relay->is_answered());
}

TEST(Relay, EndsInOrderWhereItIsAnswered) {
  Bench bench;
  bench.take_turns();
  ASSERT_TRUE(bench.relay->end_answered());
  EXPECT_TRUE(bench.to_client->is_ended);
  EXPECT_FALSE(bench.relay->is_answered());  // once
  bench.from_client->is_ended = true;
  bench.near_stream->announce();
  EXPECT_EQ(bench.pump(), Relay::State::kWaiting);
  EXPECT_TRUE(bench.to_server->is_ended);
  bench.from_server->is_ended = true;
  bench.far_stream->announce();
  EXPECT_EQ(bench.pump(), Relay::State::kEnded);
  bench.relay.reset();
  EXPECT_FALSE(bench.to_client->is_reset || bench.to_server->is_reset);
}

TEST(Relay, AnAnswerThatGoesOnAfterItsEndWasToldIsReset) {
  Bench bench;
  bench.take_turns();
  ASSERT_TRUE(bench.relay->end_answered());
  Bench::put(*bench.from_client, "had been on its way");
  bench.near_stream->announce();
  EXPECT_EQ(bench.pump(), Relay::State::kWaiting);
  EXPECT_EQ(Bench::take(*bench.to_server).substr(8 + 4), "had been on its way");
  Bench::put(*bench.from_server, "its answer");
  bench.far_stream->announce();
  EXPECT_EQ(bench.pump(), Relay::State::kFailed);
  EXPECT_EQ(bench.relay->error().reason, Reason::drain_deadline);
  EXPECT_TRUE(bench.to_client->is_reset && bench.to_server->is_reset);
}

// The loop may tell late: what waits in the socket is found before a relay is taken to be quiet.
TEST(Relay, LookingAgainFindsWhatNobodyHasAnnounced) {
  Bench bench;
  bench.take_turns();
  Bench::put(*bench.from_client, "question");
  EXPECT_EQ(bench.pump(), Relay::State::kWaiting);
  EXPECT_TRUE(bench.relay->is_answered());
  bench.relay->look_again();
  bench.pump();
  EXPECT_FALSE(bench.relay->is_answered());
}

TEST(Relay, RemembersWhenBytesLastMoved) {
  Bench bench;
  const MonotonicTime start = bench.clock.now();
  bench.clock.advance(std::chrono::seconds(5));
  bench.pump();
  EXPECT_EQ(bench.relay->last_activity(), start);
  Bench::put(*bench.from_client, "x");
  bench.near_stream->announce();
  bench.pump();
  EXPECT_EQ(bench.relay->last_activity(), bench.clock.now());
}

}  // namespace
}  // namespace keelson::proxy
