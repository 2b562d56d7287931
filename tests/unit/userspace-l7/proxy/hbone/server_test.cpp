// The server role towards a foreign client: what CONNECT is, how it is answered, and the drain.
#include "proxy/hbone/server_connection.h"

#include "hbone_world.h"

namespace keelson::test {
namespace {

using h2::ErrorCode;

class HboneServer : public ::testing::Test {
 protected:
  void SetUp() override {
    world.accept_foreign();
    ASSERT_TRUE(world.server.is_established);
  }
  ForeignPeer& peer() { return *world.foreign; }
  h2::StreamId connect(const std::string& authority = "10.0.0.2:8080") {
    const auto id = peer().connect(authority);
    world.run();
    return id;
  }
  HboneWorld world;
};

TEST_F(HboneServer, HandsOverAuthorityHeadersAndTheProvenPeer) {
  http::MessageHead head;
  head.method = "CONNECT";
  head.authority = "[fd00::2]:8080";
  head.headers.add("baggage", "k8s.namespace.name=shop");
  head.headers.add("forwarded", "for=\"10.0.0.1:4711\";host=cart");
  ASSERT_TRUE(peer().session().open(head, http::EndOfMessage::kNo));
  world.run();
  ASSERT_EQ(world.server.requests.size(), 1u);
  const auto& request = *world.server.requests[0];
  EXPECT_EQ(request.authority().endpoint().to_string(), "[fd00::2]:8080");
  EXPECT_EQ(request.headers().first("forwarded"), "for=\"10.0.0.1:4711\";host=cart");
  EXPECT_EQ(request.peer().id, spiffe_id("shop", "web"));
}

TEST_F(HboneServer, AnswersOnlyWhenToldTo) {
  const auto id = connect();
  EXPECT_FALSE(peer().seen[id].has_head);
  http::HeaderList headers;
  headers.add("baggage", "service.name=cart");
  auto tunnel = world.server.requests[0]->accept(headers);
  world.run();
  ASSERT_TRUE(tunnel);
  EXPECT_EQ(peer().seen[id].head.status, 200);
  EXPECT_EQ(peer().seen[id].head.headers.first("baggage"), "service.name=cart");
  EXPECT_FALSE(peer().seen[id].is_ended);
}

TEST_F(HboneServer, RefusesWithStatusEndStreamAndResetWithoutError) {
  for (const uint16_t status : {400, 401, 503}) {
    const auto id = connect();
    world.server.requests.back()->refuse(status);
    world.run();
    EXPECT_EQ(peer().seen[id].head.status, status);
    EXPECT_TRUE(peer().seen[id].is_ended);
    EXPECT_EQ(peer().seen[id].reset, ErrorCode::kNoError);
  }
  EXPECT_EQ(world.server.connection->streams(), 0u);
}

TEST_F(HboneServer, RefusesWith503WhatIsDroppedUnanswered) {
  const auto id = connect();
  world.server.requests.clear();
  world.run();
  EXPECT_EQ(peer().seen[id].head.status, 503);
  EXPECT_TRUE(peer().seen[id].is_ended);
}

TEST_F(HboneServer, RefusesABadAuthorityWithoutAsking) {
  const auto id = connect("10.0.0.2");
  EXPECT_EQ(peer().seen[id].head.status, 400);
  EXPECT_TRUE(world.server.requests.empty());
  EXPECT_EQ(world.server.refusals, std::vector{Reason::hbone_bad_authority});
  EXPECT_EQ(world.server.connection->streams(), 0u);
}

TEST_F(HboneServer, RefusesWhatIsNotAConnect) {
  http::MessageHead head;
  head.method = "GET";
  head.scheme = "http";
  head.authority = "10.0.0.2:8080";
  head.target = "/";
  const auto id = peer().session().open(head, http::EndOfMessage::kYes);
  world.run();
  EXPECT_EQ(peer().seen[*id].head.status, 400);
  EXPECT_EQ(world.server.refusals, std::vector{Reason::hbone_not_connect});
  EXPECT_EQ(world.server.connection->streams(), 0u);
}

TEST_F(HboneServer, ClientThatGivesUpIsGoneBeforeTheAnswer) {
  const auto id = connect();
  peer().session().reset(id, ErrorCode::kCancel);
  world.run();
  ASSERT_TRUE(world.server.requests[0]->is_gone());
  const auto tunnel = world.server.requests[0]->accept();
  ASSERT_FALSE(tunnel);
  EXPECT_EQ(tunnel.error().reason, Reason::stream_reset);
  world.server.requests.clear();
  world.run();
  EXPECT_EQ(world.server.connection->streams(), 0u);
}

TEST_F(HboneServer, RequestMayOutliveItsConnection) {
  connect();
  connect();
  world.server.connection->abort(Reason::policy_denied);
  world.run();
  ASSERT_TRUE(world.server.is_finished);
  world.server.requests[0]->refuse(503);
  EXPECT_FALSE(world.server.requests[1]->accept());
}

TEST_F(HboneServer, AnyResetByThePeerIsAnErrorEvenWithoutErrorCode) {
  for (const auto code : {ErrorCode::kNoError, ErrorCode::kCancel, ErrorCode::kConnectError}) {
    const auto id = connect();
    auto tunnel = world.server.requests.back()->accept();
    ASSERT_TRUE(tunnel);
    auto& end = world.end_for(std::move(*tunnel));
    world.run();
    peer().session().reset(id, code);
    world.run();
    EXPECT_FALSE(end.is_eof);
    ASSERT_TRUE(end.read_error);
    EXPECT_EQ(end.read_error->reason, Reason::stream_reset);
  }
}

TEST_F(HboneServer, ResetOfATunnelIsConnectErrorOnTheWire) {
  const auto id = connect();
  auto tunnel = world.server.requests.back()->accept();
  (*tunnel)->reset(Reason::stream_reset);
  world.run();
  EXPECT_EQ(peer().seen[id].reset, ErrorCode::kConnectError);
}

TEST_F(HboneServer, BytesBeforeTheAnswerAreKept) {
  const auto id = connect();
  BufferChain early(world.blocks);
  ASSERT_TRUE(early.append("early"));
  ASSERT_TRUE(peer().session().write_body(id, early));
  world.run();
  auto& end = world.end_for(std::move(*world.server.requests[0]->accept()));
  world.run();
  EXPECT_EQ(end.received, "early");
}

TEST_F(HboneServer, DrainRefusesNothingThatIsOnItsWayAndEndsAfterTheLastTunnel) {
  const auto first = connect();
  auto& end = world.end_for(std::move(*world.server.requests[0]->accept()));
  world.run();
  world.to_server->is_held = true;  // the PING's answer takes a while
  world.server.connection->drain();
  world.run();
  ASSERT_EQ(peer().goaways.size(), 1u);
  EXPECT_EQ(peer().goaways[0].first, INT32_MAX);
  EXPECT_EQ(peer().goaways[0].second, ErrorCode::kNoError);
  world.to_server->is_held = false;
  world.run();
  ASSERT_EQ(peer().goaways.size(), 2u);
  EXPECT_EQ(peer().goaways[1].first, first);
  EXPECT_FALSE(world.server.is_finished);

  peer().session().ping();
  end.write("still served");
  world.run();
  EXPECT_EQ(peer().pings_answered, 1u);
  EXPECT_EQ(peer().seen[first].body, "still served");

  end.is_ending = true;
  ASSERT_TRUE(peer().session().write_end(first));
  world.run();
  EXPECT_TRUE(peer().seen[first].is_closed);
  EXPECT_TRUE(peer().is_eof);
  ASSERT_TRUE(peer().tls->shutdown_write());
  world.run();
  EXPECT_TRUE(world.server.is_finished);
  EXPECT_FALSE(world.server.why) << world.server.why->message();
}

TEST_F(HboneServer, DrainWithoutTunnelsDoesNotWaitForASilentPeerForEver) {
  world.server.connection->drain();
  world.run();
  EXPECT_TRUE(peer().is_eof);
  EXPECT_FALSE(world.server.is_finished);
  world.advance(hbone::kClosePatience);
  EXPECT_TRUE(world.server.is_finished);
}

TEST_F(HboneServer, SilentPeerIsGivenUpAfterPingAndPatience) {
  connect();
  auto& end = world.end_for(std::move(*world.server.requests[0]->accept()));
  world.run();
  world.to_server->is_held = true;
  world.advance(hbone::kPingInterval + hbone::kPingPatience - std::chrono::milliseconds(1));
  EXPECT_FALSE(world.server.is_finished);
  world.advance(std::chrono::milliseconds(1));
  ASSERT_TRUE(world.server.is_finished);
  EXPECT_EQ(world.server.why->reason, Reason::hbone_ping_timeout);
  ASSERT_TRUE(end.read_error);
  EXPECT_EQ(end.read_error->reason, Reason::hbone_ping_timeout);
}

TEST_F(HboneServer, AnsweringPeerIsKeptForHours) {
  world.advance(std::chrono::hours(3));
  EXPECT_FALSE(world.server.is_finished);
  peer().session().ping();
  world.run();
  EXPECT_EQ(peer().pings_answered, 1u);
}

TEST(HboneExpiry, ARequestOfAPeerThatHasNotHeardOfItYetIsResetUnprocessed) {
  HboneWorld world;
  world.server_lifetime = std::chrono::hours(1);
  world.accept_foreign();
  world.advance(world.server_lifetime - std::chrono::seconds(2));
  world.foreign->connect("10.0.0.2:8080");
  world.run();
  EXPECT_EQ(world.server.requests.size(), 1u);
  world.to_client->is_held = true;  // our GOAWAY is on its way
  world.advance(std::chrono::seconds(2));
  const auto late = world.foreign->connect("10.0.0.2:8080");
  world.run();
  EXPECT_EQ(world.server.requests.size(), 1u) << "handed over";
  EXPECT_EQ(world.server.refusals, std::vector{Reason::certificate_expired});
  world.to_client->is_held = false;
  world.run();
  EXPECT_EQ(world.foreign->seen[late].reset, ErrorCode::kRefusedStream);
  EXPECT_FALSE(world.foreign->goaways.empty());
}

TEST_F(HboneServer, UnaskedPingAnswersDoNotKeepADeadPeerCounted) {
  // PING ACK frames that answer nothing; then silence.
  const std::string ack("\0\0\x08\x06\x01\0\0\0\0\0\0\0\0\0\0\0\0", 17);
  for (int i = 0; i < 20; i++) peer().send_raw(ack);
  world.run();
  world.to_server->is_held = true;
  world.advance(hbone::kPingInterval + hbone::kPingPatience);
  EXPECT_TRUE(world.server.is_finished);
}

TEST_F(HboneServer, GarbageEndsTheConnectionAndItsTunnels) {
  connect();
  auto& end = world.end_for(std::move(*world.server.requests[0]->accept()));
  world.run();
  peer().send_raw(std::string(4096, '\x7f'));
  world.run();
  world.advance(hbone::kClosePatience);
  ASSERT_TRUE(end.read_error);
  EXPECT_EQ(end.read_error->reason, Reason::h2_protocol_error);
  ASSERT_TRUE(world.server.is_finished);
  EXPECT_EQ(world.server.why->reason, Reason::h2_protocol_error);
}

TEST(HboneServerAtTheDoor, GivesUpAHandshakeThatNeverComes) {
  HboneWorld world;
  auto wire = world.wires.make();
  world.start_server(std::move(wire.second));
  world.run();
  world.advance(hbone::kHandshakePatience);
  ASSERT_TRUE(world.server.is_finished);
  EXPECT_EQ(world.server.why->reason, Reason::hbone_handshake_timeout);
  EXPECT_TRUE(wire.to_first->is_reset);
}

TEST(HboneServerAtTheDoor, RefusesAPeerThatDoesNotSpeakTls) {
  HboneWorld world;
  auto wire = world.wires.make();
  world.start_server(std::move(wire.second));
  BufferChain garbage(world.blocks);
  for (int i = 0; i < 500; i++) ASSERT_TRUE(garbage.append("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(wire.first->write(garbage));
  world.run();
  ASSERT_TRUE(world.server.is_finished);
  EXPECT_FALSE(world.server.is_established);
}

TEST(HboneServerAtTheDoor, RefusesHttp1InsideTls) {
  HboneWorld world;
  world.accept_foreign();
  // A second connection whose client does not send the preface.
  world.server.connection.reset();
  world.run();
  auto wire = world.wires.make();
  world.server = ServerHandler();
  world.start_server(std::move(wire.second));
  auto tls = tls::TlsStream::connect(
      {HboneWorld::context("web"), std::move(wire.first), world.blocks, world.signer},
      {spiffe_id("shop", "cart")});
  ASSERT_TRUE(tls);
  BufferChain http1(world.blocks);
  ASSERT_TRUE(http1.append("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  for (int i = 0; i < 8; i++) {
    ASSERT_TRUE((*tls)->write(http1));
    world.run();
  }
  world.advance(hbone::kClosePatience);
  ASSERT_TRUE(world.server.is_finished);
  EXPECT_EQ(world.server.why->reason, Reason::h2_protocol_error);
}

TEST_F(HboneServer, HoldsItsPeerToTheAnnouncedNumberOfTunnels) {
  EXPECT_EQ(peer().session().peer_streams_max(), hbone::kServerTunnelsMax);
  for (uint32_t i = 0; i < hbone::kServerTunnelsMax; i++) ASSERT_GT(connect(), 0);
  EXPECT_EQ(connect(), 0);
  EXPECT_EQ(world.server.requests.size(), hbone::kServerTunnelsMax);
}

TEST_F(HboneServer, HeadLargerThanTheLimitIsResetAlone) {
  http::MessageHead head;
  head.method = "CONNECT";
  head.authority = "10.0.0.2:80";
  for (int i = 0; i < 5; i++) head.headers.add("x-big", std::string(15'000, 'x'));
  const auto big = peer().session().open(head, http::EndOfMessage::kNo);
  ASSERT_TRUE(big);
  world.run();
  EXPECT_TRUE(peer().seen[*big].reset);
  EXPECT_FALSE(world.server.is_finished);
  EXPECT_TRUE(world.server.requests.empty());
}

}  // namespace
}  // namespace keelson::test
