#include "proxy/hbone/tunnel.h"

#include "hbone_world.h"

namespace keelson::test {
namespace {

using hbone::kStreamWindowBytes;
using hbone::kTunnelSendBytesMax;

class Tunnels : public ::testing::Test {
 protected:
  void SetUp() override {
    world.connect();
    ASSERT_TRUE(world.client.is_established);
    pair = world.open_pair();
    ASSERT_NE(pair.client, nullptr);
  }
  HboneWorld world;
  HboneWorld::TunnelPair pair;
};

std::string pattern(size_t bytes) {
  std::string text(bytes, 0);
  for (size_t i = 0; i < bytes; i++) text[i] = static_cast<char>('a' + i * 7 % 26 + i / 4096 % 3);
  return text;
}

TEST_F(Tunnels, CarryBytesBothWaysUnchanged) {
  const std::string up = pattern(3'000'000), down = pattern(1'234'567);
  pair.client->write(up);
  pair.server->write(down);
  world.run();
  EXPECT_TRUE(pair.server->received == up);
  EXPECT_TRUE(pair.client->received == down);
}

TEST_F(Tunnels, HalfCloseFromTheClientLeavesTheOtherDirectionOpen) {
  pair.client->write("request");
  pair.client->is_ending = true;
  world.run();
  EXPECT_EQ(pair.server->received, "request");
  EXPECT_TRUE(pair.server->is_eof);
  pair.server->write(pattern(700'000));
  world.run();
  EXPECT_EQ(pair.client->received.size(), 700'000u);
  EXPECT_FALSE(pair.client->is_eof);
  pair.server->is_ending = true;
  world.run();
  EXPECT_TRUE(pair.client->is_eof);
  EXPECT_EQ(world.client.connection->streams(), 0u);
  EXPECT_EQ(world.server.connection->streams(), 0u);
}

TEST_F(Tunnels, HalfCloseFromTheServerLeavesTheOtherDirectionOpen) {
  pair.server->write("banner");
  pair.server->is_ending = true;
  world.run();
  EXPECT_TRUE(pair.client->is_eof);
  pair.client->write("still here");
  pair.client->is_ending = true;
  world.run();
  EXPECT_EQ(pair.server->received, "still here");
  EXPECT_TRUE(pair.server->is_eof);
  EXPECT_EQ(world.client.connection->streams(), 0u);
}

TEST_F(Tunnels, DestroyedAfterBothEndsLoseNothingThatWasWritten) {
  pair.client->is_ending = true;
  world.run();
  pair.server->write(pattern(kTunnelSendBytesMax));
  pair.server->is_ending = true;
  ASSERT_TRUE(pair.server->work());
  pair.server->tunnel.reset();  // nothing of it is framed yet
  world.run();
  EXPECT_EQ(pair.client->received.size(), kTunnelSendBytesMax);
  EXPECT_TRUE(pair.client->is_eof);
}

TEST_F(Tunnels, ResetFromTheClientIsAnErrorAtTheServerAfterWhatCameBefore) {
  pair.client->write("last words");
  world.run();
  pair.client->tunnel->reset(Reason::stream_reset);
  world.run();
  EXPECT_EQ(pair.server->received, "last words");
  EXPECT_FALSE(pair.server->is_eof);
  ASSERT_TRUE(pair.server->read_error);
  EXPECT_EQ(pair.server->read_error->reason, Reason::stream_reset);
  EXPECT_NE(pair.server->read_error->context.find("10"), std::string::npos) << "CONNECT_ERROR";
  pair.server->write("too late");
  world.run();
  ASSERT_TRUE(pair.server->write_error);
}

TEST_F(Tunnels, ResetFromTheServerIsAnErrorAtTheClient) {
  pair.server->tunnel.reset();  // dropped without an end: the same as reset()
  world.run();
  EXPECT_FALSE(pair.client->is_eof);
  ASSERT_TRUE(pair.client->read_error);
  EXPECT_EQ(pair.client->read_error->reason, Reason::stream_reset);
  EXPECT_EQ(world.client.connection->streams(), 0u);
}

TEST_F(Tunnels, ResetAfterTheOwnEndIsStillAnErrorForTheReader) {
  pair.client->is_ending = true;
  world.run();
  ASSERT_TRUE(pair.server->is_eof);
  pair.server->tunnel->reset(Reason::stream_reset);
  world.run();
  ASSERT_TRUE(pair.client->read_error);
  EXPECT_FALSE(pair.client->is_eof);
}

TEST_F(Tunnels, SlowReaderHoldsAtMostOneWindowAndStopsTheWriter) {
  pair.server->is_reading = false;
  const std::string text = pattern(4'000'000);
  pair.client->write(text);
  world.run();
  EXPECT_EQ(pair.server->tunnel->bytes_held(), kStreamWindowBytes);
  EXPECT_EQ(world.server.connection->bytes_held(), kStreamWindowBytes);
  EXPECT_EQ(world.budget->held(), kStreamWindowBytes);
  EXPECT_EQ(pair.client->to_write.size(), text.size() - kStreamWindowBytes - kTunnelSendBytesMax);
  pair.server->is_reading = true;
  world.run();
  EXPECT_TRUE(pair.server->received == text);
  EXPECT_EQ(world.budget->held(), 0u);
}

TEST_F(Tunnels, SlowReadersDoNotStopAnotherTunnelOfTheirConnection) {
  std::vector<TunnelEnd*> slow = {pair.server};
  pair.client->write(std::string(kStreamWindowBytes * 2, 's'));
  for (int i = 0; i < 8; i++) {
    auto more = world.open_pair();
    ASSERT_NE(more.client, nullptr);
    more.server->is_reading = false;
    more.client->write(std::string(kStreamWindowBytes * 2, 's'));
    slow.push_back(more.server);
  }
  pair.server->is_reading = false;
  world.run();
  auto quick = world.open_pair();
  ASSERT_NE(quick.client, nullptr);
  quick.client->write(pattern(5'000'000));
  world.run();
  EXPECT_EQ(quick.server->received.size(), 5'000'000u);
}

TEST_F(Tunnels, TenantsBudgetStopsReceivingUntilItHasRoomAgain) {
  // Another connection of the same tenant holds everything.
  world.budget->take(8u << 20);
  pair.server->is_reading = false;
  auto second = world.open_pair();
  auto third = world.open_pair();
  auto fourth = world.open_pair();
  auto fifth = world.open_pair();
  auto sixth = world.open_pair();
  for (auto* end : {&second, &third, &fourth, &fifth, &sixth}) {
    ASSERT_NE(end->client, nullptr);
    end->server->is_reading = false;
    end->client->write(pattern(kStreamWindowBytes));
  }
  pair.client->write(pattern(kStreamWindowBytes));
  world.run();
  const size_t held = world.server.connection->bytes_held();
  EXPECT_LE(held, hbone::kConnectionWindowBytes + 2 * hbone::kConnectionBytesMin);
  EXPECT_LT(held, 6 * kStreamWindowBytes);
  world.budget->give_back(8u << 20);
  world.run();
  EXPECT_EQ(world.server.connection->bytes_held(), 6 * kStreamWindowBytes);
}

TEST_F(Tunnels, ConnectionThatHoldsLittleGoesOnWithoutRoomInTheBudget) {
  world.budget->take(8u << 20);
  pair.client->write(pattern(10'000'000));
  world.run();
  EXPECT_EQ(pair.server->received.size(), 10'000'000u);
  world.budget->give_back(8u << 20);
}

TEST_F(Tunnels, EmptyBlockPoolResetsTheTunnelInsteadOfLosingBytes) {
  std::vector<Block*> taken;
  pair.server->is_reading = false;
  while (Block* block = world.blocks.acquire()) taken.push_back(block);
  for (int i = 0; i < 8; i++) {
    BlockPool::release(*taken.back());
    taken.pop_back();
  }
  std::string text(60'000, 'x');
  pair.client->write(text);
  world.run();
  for (Block* block : taken) BlockPool::release(*block);
  world.advance(hbone::kMemoryRetry);
  pair.server->is_reading = true;
  world.run();
  // Either all of it came, late, or the reader learns that something is missing.
  EXPECT_TRUE(pair.server->received.size() == text.size() || pair.server->read_error);
  EXPECT_FALSE(pair.server->is_eof);
}

TEST_F(Tunnels, LostWireIsAnErrorNeverAnEnd) {
  pair.client->write("before");
  world.run();
  world.to_server->is_ended = true;  // FIN without close_notify
  world.run();
  EXPECT_EQ(pair.server->received, "before");
  EXPECT_FALSE(pair.server->is_eof);
  EXPECT_FALSE(pair.client->is_eof);
  ASSERT_TRUE(pair.server->read_error);
  EXPECT_EQ(pair.server->read_error->reason, Reason::tls_truncated);
  ASSERT_TRUE(world.server.is_finished);
  EXPECT_EQ(world.server.why->reason, Reason::tls_truncated);
}

TEST_F(Tunnels, AbortCutsAtOnceAndDropsWhatWasHeld) {
  pair.server->is_reading = false;
  pair.client->write("secret");
  world.run();
  world.server.connection->abort(Reason::policy_denied);
  world.run();
  pair.server->is_reading = true;
  world.run();
  EXPECT_EQ(pair.server->received, "");
  ASSERT_TRUE(pair.server->read_error);
  EXPECT_EQ(pair.server->read_error->reason, Reason::policy_denied);
  ASSERT_TRUE(pair.client->read_error);
  EXPECT_FALSE(pair.client->is_eof);
}

TEST_F(Tunnels, OutlivingTheirConnectionsFail) {
  world.client.connection.reset();
  world.run();
  ASSERT_TRUE(pair.client->read_error);
  ASSERT_TRUE(pair.server->read_error);
}

TEST(TunnelsInNumbers, AThousandOpenedAndClosedLeaveNothing) {
  HboneWorld world;
  world.connect();
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 50; i++) {
      auto pair = world.open_pair();
      ASSERT_NE(pair.client, nullptr);
      pair.client->write("ping");
      pair.client->is_ending = true;
      pair.server->is_ending = true;
    }
    world.run();
    for (TunnelEnd& end : world.ends) ASSERT_TRUE(end.is_eof);
    world.ends.clear();
  }
  world.run();
  EXPECT_EQ(world.client.connection->streams(), 0u);
  EXPECT_EQ(world.server.connection->streams(), 0u);
  EXPECT_EQ(world.budget->held(), 0u);
  EXPECT_EQ(world.blocks.counts().in_use, 0u);
  EXPECT_EQ(world.turns.queued(), 0u);
}

// Whoever's certificate ends first.
void expect_retired_at_expiry(std::chrono::seconds client, std::chrono::seconds server) {
  HboneWorld world;
  world.client_lifetime = client;
  world.server_lifetime = server;
  world.connect();
  auto pair = world.open_pair();
  ASSERT_TRUE(pair.client != nullptr && pair.server != nullptr);
  world.advance(std::min(client, server) - std::chrono::seconds(2));
  EXPECT_TRUE(world.client.connection->takes_tunnels());
  world.advance(std::chrono::seconds(2));
  EXPECT_FALSE(world.client.connection->takes_tunnels());
  pair.client->write("still");
  world.run();
  EXPECT_EQ(pair.server->received, "still") << "open tunnels go on";
  pair.client->tunnel.reset();
  pair.server->tunnel.reset();
  world.run();
  EXPECT_TRUE(world.client.is_finished && world.server.is_finished);
  EXPECT_FALSE(world.client.why || world.server.why) << "an orderly end";
}

TEST(HboneExpiry, TheOwnCertificatesEndRetiresTheConnectionButNotItsTunnels) {
  expect_retired_at_expiry(std::chrono::hours(1), std::chrono::hours(24));
}

TEST(HboneExpiry, ThePeersCertificatesEndRetiresTheConnectionButNotItsTunnels) {
  expect_retired_at_expiry(std::chrono::hours(24), std::chrono::hours(1));
}

}  // namespace
}  // namespace keelson::test
