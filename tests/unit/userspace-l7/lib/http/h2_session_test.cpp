#include "http/h2/session.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace keelson::h2 {
namespace {

using http::EndOfMessage;

http::MessageHead connect_request(const std::string& authority) {
  http::MessageHead head;
  head.version = http::Version::kHttp2;
  head.method = "CONNECT";
  head.authority = authority;
  head.headers.add("forwarded", "for=\"10.0.0.1:4000\"");
  return head;
}

http::MessageHead response(uint16_t status) {
  http::MessageHead head;
  head.version = http::Version::kHttp2;
  head.status = status;
  return head;
}

// Everything one side saw.
class Recorder final : public Sink {
 public:
  void on_head(StreamId stream, http::MessageHead head, EndOfMessage end) override {
    heads[stream].push_back(std::move(head));
    if (end == EndOfMessage::kYes) ended[stream] = true;
  }
  void on_body(StreamId stream, std::span<const std::byte> bytes) override {
    bodies[stream].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void on_end(StreamId stream, http::HeaderList stream_trailers) override {
    ended[stream] = true;
    trailers[stream] = std::move(stream_trailers);
  }
  void on_reset(StreamId stream, ErrorCode code) override { resets[stream] = code; }
  void on_closed(StreamId stream) override { closed[stream] = true; }
  void on_writable(StreamId stream) override { writable[stream]++; }
  void on_goaway(StreamId last, ErrorCode) override { goaways.push_back(last); }
  void on_ping_answered() override { pings++; }

  std::map<StreamId, std::vector<http::MessageHead>> heads;
  std::map<StreamId, std::string> bodies;
  std::map<StreamId, bool> ended, closed;
  std::map<StreamId, http::HeaderList> trailers;
  std::map<StreamId, ErrorCode> resets;
  std::map<StreamId, int> writable;
  std::vector<StreamId> goaways;
  int pings = 0;
};

class SessionPair : public ::testing::Test {
 protected:
  explicit SessionPair(const Settings& settings = {})
      : client(Role::kClient, settings, pool, client_saw),
        server(Role::kServer, settings, pool, server_saw) {}

  static Result<void> carry(Session& from, Session& to, BlockPool& pool) {
    BufferChain wire(pool);
    KS_TRY(from.drain(wire, 1 << 20));
    while (!wire.empty()) {
      KS_TRY(to.feed(wire.front()));
      wire.consume(wire.front().size());
    }
    return {};
  }
  void exchange() {
    while (client.wants_write() || server.wants_write()) {
      ASSERT_TRUE(carry(client, server, pool));
      ASSERT_TRUE(carry(server, client, pool));
      ASSERT_LT(++rounds_, 1000) << "a session wants to write and has nothing to say";
    }
  }

  BufferChain bytes(const std::string& text) {
    BufferChain chain(pool);
    EXPECT_TRUE(chain.append(text));
    return chain;
  }

  BlockPool pool;
  Recorder client_saw, server_saw;
  Session client, server;

 private:
  int rounds_ = 0;
};

TEST_F(SessionPair, ATunnelCarriesBytesBothWaysAndHalfCloses) {
  const StreamId id = client.open(connect_request("10.0.0.2:80"), EndOfMessage::kNo).value();
  exchange();
  ASSERT_EQ(server_saw.heads[id].size(), 1u);
  EXPECT_EQ(server_saw.heads[id][0].method, "CONNECT");
  EXPECT_EQ(server_saw.heads[id][0].authority, "10.0.0.2:80");
  EXPECT_EQ(server_saw.heads[id][0].headers.first("forwarded"), "for=\"10.0.0.1:4000\"");

  ASSERT_TRUE(server.respond(id, response(200), EndOfMessage::kNo));
  BufferChain request = bytes("ping");
  EXPECT_EQ(client.write_body(id, request).value(), 4u);
  ASSERT_TRUE(client.write_end(id));
  exchange();
  EXPECT_EQ(client_saw.heads[id][0].status, 200);
  EXPECT_EQ(server_saw.bodies[id], "ping");
  EXPECT_TRUE(server_saw.ended[id]);
  EXPECT_FALSE(client_saw.ended[id]) << "one direction ended, the other goes on";

  BufferChain answer = bytes("pong");
  EXPECT_EQ(server.write_body(id, answer).value(), 4u);
  ASSERT_TRUE(server.write_end(id));
  exchange();
  EXPECT_EQ(client_saw.bodies[id], "pong");
  EXPECT_TRUE(client_saw.closed[id]);
  EXPECT_TRUE(server_saw.closed[id]);
  EXPECT_EQ(client.open_streams(), 0u);
}

TEST_F(SessionPair, AResetIsNeverACleanEnd) {
  const StreamId id = client.open(connect_request("10.0.0.2:80"), EndOfMessage::kNo).value();
  exchange();
  ASSERT_TRUE(server.respond(id, response(200), EndOfMessage::kNo));
  exchange();
  server.reset(id, ErrorCode::kConnectError);
  exchange();
  EXPECT_EQ(client_saw.resets[id], ErrorCode::kConnectError);
  EXPECT_FALSE(client_saw.ended[id]);
  EXPECT_FALSE(client_saw.closed[id]);
}

TEST_F(SessionPair, AnAbortWithNoErrorBeforeTheEndIsStillAReset) {
  const StreamId id = client.open(connect_request("10.0.0.2:80"), EndOfMessage::kNo).value();
  exchange();
  ASSERT_TRUE(server.respond(id, response(200), EndOfMessage::kNo));
  server.reset(id, ErrorCode::kNoError);
  exchange();
  EXPECT_TRUE(client_saw.resets.contains(id));
}

TEST_F(SessionPair, AnAnswerWithoutABodyEndsTheStream) {
  http::MessageHead request = connect_request("web");
  request.method = "GET";
  request.target = "/cart?id=1";
  const StreamId id = client.open(request, EndOfMessage::kYes).value();
  exchange();
  EXPECT_EQ(server_saw.heads[id][0].path(), "/cart");
  EXPECT_TRUE(server_saw.ended[id]);
  ASSERT_TRUE(server.respond(id, response(404), EndOfMessage::kYes));
  exchange();
  EXPECT_EQ(client_saw.heads[id][0].status, 404);
  EXPECT_TRUE(client_saw.closed[id]);
}

TEST_F(SessionPair, TrailersArriveAfterTheBody) {
  const StreamId id = client.open(connect_request("10.0.0.2:80"), EndOfMessage::kNo).value();
  exchange();
  ASSERT_TRUE(server.respond(id, response(200), EndOfMessage::kNo));
  BufferChain body = bytes("data");
  ASSERT_TRUE(server.write_body(id, body));
  http::HeaderList trailers;
  trailers.add("grpc-status", "0");
  ASSERT_TRUE(server.write_end(id, &trailers));
  exchange();
  EXPECT_EQ(client_saw.bodies[id], "data");
  EXPECT_TRUE(client_saw.ended[id]);
  EXPECT_EQ(client_saw.trailers[id].first("grpc-status"), "0");
}

TEST_F(SessionPair, PingsAreAnswered) {
  client.ping();
  exchange();
  EXPECT_EQ(client_saw.pings, 1);
}

TEST_F(SessionPair, GoawayLetsOpenStreamsFinishAndRefusesNewOnes) {
  const StreamId id = client.open(connect_request("10.0.0.2:80"), EndOfMessage::kNo).value();
  exchange();
  server.start_goaway();
  exchange();
  server.finish_goaway();
  exchange();
  ASSERT_EQ(client_saw.goaways.size(), 2u);
  EXPECT_EQ(client_saw.goaways.back(), id);
  EXPECT_FALSE(client.open(connect_request("10.0.0.3:80"), EndOfMessage::kNo));
  ASSERT_TRUE(server.respond(id, response(200), EndOfMessage::kYes));
  ASSERT_TRUE(client.write_end(id));
  exchange();
  EXPECT_TRUE(client_saw.closed[id]);
  EXPECT_TRUE(server.is_finished());
}

// nghttp2 only queues a GOAWAY for this one: feed() takes it, drain() has to tell.
TEST_F(SessionPair, AFrameThatIsTooLargeEndsTheConnectionWhenTheGoawayIsDrained) {
  exchange();
  const std::string frame(64, '\x7f');
  ASSERT_TRUE(server.feed(std::as_bytes(std::span(frame))));
  BufferChain wire(pool);
  const auto drained = server.drain(wire, 1 << 20);
  ASSERT_FALSE(drained);
  EXPECT_EQ(drained.error().reason, Reason::h2_protocol_error);
  EXPECT_GT(wire.size(), 0u) << "the peer shall be told";
  EXPECT_TRUE(server.drain(wire, 1 << 20));
}

TEST_F(SessionPair, ARefusalIsAnAnswerAndThenAReset) {
  const StreamId id = *client.open(connect_request("10.0.0.2:80"), EndOfMessage::kNo);
  exchange();
  ASSERT_TRUE(server.refuse(id, response(401)));
  exchange();
  ASSERT_EQ(client_saw.heads[id].size(), 1u);
  EXPECT_EQ(client_saw.heads[id][0].status, 401);
  EXPECT_EQ(client_saw.resets[id], ErrorCode::kNoError);
  EXPECT_EQ(server.open_streams(), 0u);
}

TEST_F(SessionPair, GarbageInsteadOfThePrefaceEndsTheConnection) {
  BufferChain garbage = bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  auto fed = server.feed(garbage.front());
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().reason, Reason::h2_protocol_error);
}

class SmallWindows : public SessionPair {
 protected:
  static Settings small() {
    Settings settings;
    settings.stream_window_bytes = 65535;
    settings.stream_send_bytes_max = 32768;
    settings.header_fields_max = 8;
    settings.streams_max = 2;
    return settings;
  }
  SmallWindows() : SessionPair(small()) {}

  // Writes as much of `chain` as the session takes now.
  void push(StreamId id, BufferChain& chain) {
    while (!chain.empty()) {
      const size_t taken = client.write_body(id, chain).value();
      exchange();
      if (taken == 0) return;
    }
  }
};

TEST_F(SmallWindows, WithoutCreditTheWriterIsHeldAndBytesStayBounded) {
  const StreamId id = client.open(connect_request("10.0.0.2:80"), EndOfMessage::kNo).value();
  exchange();
  BufferChain body = bytes(std::string(300000, 'x'));
  push(id, body);
  EXPECT_EQ(server_saw.bodies[id].size(), 65535u) << "one stream window, no more";
  EXPECT_FALSE(body.empty());

  server.credit_connection(65535);
  server.credit(id, 65535);
  exchange();
  EXPECT_GE(client_saw.writable[id], 1) << "the writer is told that there is room again";
  push(id, body);
  EXPECT_EQ(server_saw.bodies[id].size(), 2 * 65535u);
}

TEST_F(SmallWindows, TooManyHeaderFieldsResetTheStreamOnly) {
  http::MessageHead request = connect_request("10.0.0.2:80");
  for (int i = 0; i < 20; i++) request.headers.add("cookie", "a=" + std::to_string(i));
  const StreamId id = client.open(request, EndOfMessage::kNo).value();
  exchange();
  EXPECT_TRUE(server_saw.heads[id].empty());
  EXPECT_TRUE(client_saw.resets.contains(id));
  const StreamId next = client.open(connect_request("10.0.0.2:81"), EndOfMessage::kNo).value();
  exchange();
  EXPECT_EQ(server_saw.heads[next].size(), 1u);
}

TEST_F(SmallWindows, ThePeersStreamLimitIsARetryableRefusal) {
  exchange();
  ASSERT_TRUE(client.open(connect_request("10.0.0.2:80"), EndOfMessage::kNo));
  ASSERT_TRUE(client.open(connect_request("10.0.0.2:81"), EndOfMessage::kNo));
  auto third = client.open(connect_request("10.0.0.2:82"), EndOfMessage::kNo);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().reason, Reason::h2_streams_exhausted);
  EXPECT_TRUE(third.error().retryable);
}

}  // namespace
}  // namespace keelson::h2
