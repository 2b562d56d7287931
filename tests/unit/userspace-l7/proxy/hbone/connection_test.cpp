// The client role towards a foreign server: answers and their reasons, GOAWAY, idleness.
#include "proxy/hbone/client_connection.h"

#include "hbone_world.h"

namespace keelson::test {
namespace {

using h2::ErrorCode;

class HboneClient : public ::testing::Test {
 protected:
  void SetUp() override {
    world.connect_to_foreign();
    ASSERT_TRUE(world.client.is_established);
  }
  ForeignPeer& peer() { return *world.foreign; }
  h2::StreamId open() {
    const auto id = world.open();
    world.run();
    return id;
  }
  void answer(h2::StreamId id, uint16_t status, http::EndOfMessage end = http::EndOfMessage::kYes) {
    http::MessageHead head;
    head.status = status;
    ASSERT_TRUE(peer().session().respond(id, head, end));
    world.run();
  }
  TunnelEnd& accepted(h2::StreamId id) {
    answer(id, 200, http::EndOfMessage::kNo);
    EXPECT_TRUE(!world.answers.empty() && world.answers.back());
    return world.end_for(std::move(*world.answers.back()));
  }
  HboneWorld world;
};

TEST_F(HboneClient, AsksByPlainConnectWithItsHeaders) {
  const auto id = open();
  const auto& head = peer().seen[id].head;
  EXPECT_EQ(head.method, "CONNECT");
  EXPECT_EQ(head.authority, "10.0.0.2:8080");
  EXPECT_EQ(head.scheme, "");
  EXPECT_EQ(head.target, "");
  EXPECT_EQ(head.headers.first("forwarded"), "for=\"10.0.0.1:4711\"");
  EXPECT_TRUE(world.answers.empty()) << "nothing before the 200";
}

TEST_F(HboneClient, NamesWhyThePeerRefuses) {
  const std::pair<uint16_t, Reason> cases[] = {
      {400, Reason::hbone_wrong_address},     {401, Reason::hbone_denied_by_peer},
      {503, Reason::connect_refused},         {302, Reason::hbone_unexpected_answer},
      {204, Reason::hbone_unexpected_answer},
  };
  for (const auto& [status, reason] : cases) {
    world.answers.clear();
    answer(open(), status);
    ASSERT_EQ(world.answers.size(), 1u);
    ASSERT_FALSE(world.answers[0]);
    EXPECT_EQ(world.answers[0].error().reason, reason) << status;
    EXPECT_FALSE(world.answers[0].error().retryable);
  }
  EXPECT_EQ(world.client.connection->streams(), 0u);
}

TEST_F(HboneClient, InformationalAnswersAreNotTheAnswer) {
  const auto id = open();
  answer(id, 103, http::EndOfMessage::kNo);
  EXPECT_TRUE(world.answers.empty());
  accepted(id);
}

TEST_F(HboneClient, ResetBeforeTheAnswerIsAnErrorAndRefusedStreamIsRetryable) {
  peer().session().reset(open(), ErrorCode::kInternalError);
  world.run();
  peer().session().reset(open(), ErrorCode::kRefusedStream);
  world.run();
  ASSERT_EQ(world.answers.size(), 2u);
  EXPECT_EQ(world.answers[0].error().reason, Reason::stream_reset);
  EXPECT_FALSE(world.answers[0].error().retryable);
  EXPECT_EQ(world.answers[1].error().reason, Reason::h2_streams_exhausted);
  EXPECT_TRUE(world.answers[1].error().retryable);
}

TEST_F(HboneClient, CancelledOpeningIsResetOnTheWireAndNeverAnswered) {
  const auto id = open();
  world.client.connection->cancel(id);
  world.run();
  EXPECT_EQ(peer().seen[id].reset, ErrorCode::kCancel);
  EXPECT_TRUE(world.answers.empty());
  EXPECT_EQ(world.client.connection->streams(), 0u);
}

TEST_F(HboneClient, PeerThatNeverAnswersRunsIntoTheLimit) {
  const auto id = open();
  world.advance(hbone::kAnswerPatience * 2);
  ASSERT_EQ(world.answers.size(), 1u);
  EXPECT_EQ(world.answers[0].error().reason, Reason::hbone_answer_timeout);
  EXPECT_EQ(peer().seen[id].reset, ErrorCode::kCancel);
  EXPECT_FALSE(world.client.is_finished);
}

// Every 15 s the tunnel that was opened in the same turn of the loop was refused at once.
TEST_F(HboneClient, OneOpenedBetweenTheAlarmAndItsTurnHasItsWholePatience) {
  accepted(open());
  std::chrono::milliseconds by = hbone::kAnswerPatience;
  ASSERT_TRUE(world.alarms.advance_to_next(by));
  world.answers.clear();
  const auto id = open();
  EXPECT_TRUE(world.answers.empty());
  world.advance(hbone::kAnswerPatience - std::chrono::milliseconds(1));
  accepted(id);
}

TEST_F(HboneClient, ResetAfterTheEndIsAnEndForTheReaderAndAnErrorForTheWriter) {
  const auto id = open();
  auto& end = accepted(id);
  ASSERT_TRUE(peer().session().write_end(id));
  world.run();
  peer().session().reset(id, ErrorCode::kNoError);
  world.run();
  EXPECT_TRUE(end.is_eof);
  EXPECT_FALSE(end.read_error);
  end.write("nobody listens");
  world.run();
  ASSERT_TRUE(end.write_error);
  EXPECT_EQ(end.write_error->reason, Reason::stream_reset);
}

TEST_F(HboneClient, GoawayStopsNewTunnelsAndLetsOldOnesFinish) {
  const auto id = open();
  auto& end = accepted(id);
  const size_t rooms = world.client.rooms;
  peer().session().start_goaway();
  peer().session().ping();
  world.run();
  EXPECT_FALSE(world.client.connection->takes_tunnels());
  EXPECT_GT(world.client.rooms, rooms);
  EXPECT_EQ(peer().pings_answered, 1u) << "a peer must go on answering PINGs after GOAWAY";
  peer().session().finish_goaway();
  end.write("goes on");
  world.run();
  EXPECT_EQ(peer().seen[id].body, "goes on");
  EXPECT_FALSE(world.client.is_finished);
  end.is_ending = true;
  ASSERT_TRUE(peer().session().write_end(id));
  world.run();
  EXPECT_TRUE(end.is_eof);
  EXPECT_TRUE(peer().is_eof);
  ASSERT_TRUE(peer().tls->shutdown_write());
  world.run();
  EXPECT_TRUE(world.client.is_finished);
  EXPECT_FALSE(world.client.why);
}

TEST_F(HboneClient, StreamsThatAGoawayLeavesOutAreRetryable) {
  accepted(open());
  world.to_server->is_held = true;
  const auto late = world.open();
  world.run();
  peer().session().finish_goaway();
  world.run();
  ASSERT_EQ(world.answers.size(), 2u) << late;
  EXPECT_TRUE(world.answers[1].error().retryable);
}

TEST_F(HboneClient, IdleConnectionIsReleasedInOrderAndABusyOneIsNot) {
  auto& end = accepted(open());
  world.advance(hbone::kIdleRelease * 2);
  EXPECT_FALSE(peer().is_eof);
  end.tunnel.reset();
  world.run();
  world.advance(hbone::kIdleRelease - std::chrono::seconds(1));
  EXPECT_FALSE(peer().is_eof);
  world.advance(std::chrono::seconds(1));
  EXPECT_FALSE(world.client.is_finished) << (world.client.why ? world.client.why->message() : "");
  EXPECT_TRUE(peer().is_eof);
  EXPECT_FALSE(peer().error);
  ASSERT_FALSE(peer().goaways.empty());
  EXPECT_EQ(peer().goaways.back().second, ErrorCode::kNoError);
}

TEST_F(HboneClient, SilentPeerIsGivenUp) {
  auto& end = accepted(open());
  const auto waiting = open();
  ASSERT_GT(waiting, 0);
  world.to_client->is_held = true;
  world.advance(hbone::kPingInterval + hbone::kPingPatience);
  ASSERT_TRUE(world.client.is_finished);
  EXPECT_EQ(world.client.why->reason, Reason::hbone_ping_timeout);
  EXPECT_EQ(end.read_error->reason, Reason::hbone_ping_timeout);
  EXPECT_FALSE(world.answers.back());
}

TEST_F(HboneClient, CleanTlsEndUnderOpenTunnelsIsAnErrorToThem) {
  auto& end = accepted(open());
  ASSERT_TRUE(peer().tls->shutdown_write());
  world.run();
  EXPECT_FALSE(end.is_eof);
  ASSERT_TRUE(end.read_error);
  EXPECT_EQ(end.read_error->reason, Reason::hbone_session_ended);
  ASSERT_TRUE(world.client.is_finished);
}

TEST_F(HboneClient, CleanTlsEndWithoutTunnelsIsAnOrderlyEnd) {
  ASSERT_TRUE(peer().tls->shutdown_write());
  world.run();
  ASSERT_TRUE(world.client.is_finished);
  EXPECT_FALSE(world.client.why);
  EXPECT_TRUE(peer().is_eof);
  EXPECT_FALSE(peer().error);
}

TEST_F(HboneClient, GarbageFromTheServerEndsEverythingWithAReason) {
  auto& end = accepted(open());
  open();
  peer().send_raw(std::string(4096, '\x7f'));
  world.run();
  world.advance(hbone::kClosePatience);
  EXPECT_EQ(end.read_error->reason, Reason::h2_protocol_error);
  EXPECT_EQ(world.answers.back().error().reason, Reason::h2_protocol_error);
  EXPECT_TRUE(world.client.is_finished);
}

TEST(HboneClientAtTheDoor, UsesAtMostTheHundredTunnelsOrFewerIfThePeerSaysSo) {
  for (const uint32_t theirs : {3u, 500u}) {
    HboneWorld world;
    h2::Settings settings;
    settings.streams_max = theirs;
    world.connect_to_foreign(settings);
    const uint32_t most = std::min(theirs, hbone::kClientTunnelsMax);
    for (uint32_t i = 0; i < most; i++) ASSERT_GT(world.open(), 0);
    EXPECT_FALSE(world.client.connection->takes_tunnels());
    const auto more = world.client.connection->open({"10.0.0.2:80", {}}, {});
    ASSERT_FALSE(more);
    EXPECT_TRUE(more.error().retryable);
    world.run();
  }
}

TEST(HboneClientAtTheDoor, RefusesAPeerThatIsNotTheExpectedWorkload) {
  HboneWorld world;
  auto wire = world.wires.make();
  world.start_client(std::move(wire.first));
  auto server = hbone::ServerConnection::start(
      {world.environment, world.account(), HboneWorld::context("impostor"), std::move(wire.second)},
      world.server);
  ASSERT_TRUE(server);
  world.server.connection = std::move(*server);
  world.run();
  ASSERT_TRUE(world.client.is_finished);
  EXPECT_EQ(world.client.why->reason, Reason::identity_mismatch);
  EXPECT_FALSE(world.server.is_established);
}

TEST(HboneClientAtTheDoor, GivesUpAServerThatNeverAnswersTheHandshake) {
  HboneWorld world;
  auto wire = world.wires.make();
  world.start_client(std::move(wire.first));
  world.run();
  world.advance(hbone::kHandshakePatience);
  ASSERT_TRUE(world.client.is_finished);
  EXPECT_EQ(world.client.why->reason, Reason::hbone_handshake_timeout);
}

}  // namespace
}  // namespace keelson::test
