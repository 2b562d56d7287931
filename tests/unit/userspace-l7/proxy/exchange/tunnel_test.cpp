#include <gtest/gtest.h>

#include "exchange/exchange_world.h"

namespace keelson::proxy {
namespace {

constexpr char kUpgrade[] = "connection: upgrade\r\nupgrade: echo\r\n";
constexpr char kSwitching[] =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

struct Tunnel : testing::Test {
  // The 101 has passed.
  Server& begin() {
    world.get("/ws", kUpgrade);
    Server& server = world.accept();
    server.say(kSwitching);
    EXPECT_TRUE(world.received().starts_with("HTTP/1.1 101 "));
    take(*server.requests);
    return server;
  }
  void expect_orderly_end(const Server& server) {
    EXPECT_TRUE(world.is_over());
    EXPECT_TRUE(world.answers->is_ended);
    EXPECT_FALSE(world.is_reset());
    EXPECT_TRUE(server.requests->is_ended);
    EXPECT_FALSE(server.requests->is_reset);
    ASSERT_EQ(world.log.records.size(), 1u);
    EXPECT_EQ(world.last().reason, Reason::answered);
    EXPECT_EQ(world.last().http->status, 101);
  }
  ExchangeWorld world;
};

TEST_F(Tunnel, CarriesAnythingBothWays) {
  Server& server = begin();
  world.say("\x01 GET / HTTP/1.1\r\n\r\n");
  world.run();
  EXPECT_EQ(take(*server.requests), "\x01 GET / HTTP/1.1\r\n\r\n");
  server.say("HTTP/1.1 500 not an answer\r\n\r\n");
  EXPECT_EQ(world.received(), "HTTP/1.1 500 not an answer\r\n\r\n");
  EXPECT_TRUE(world.log.records.empty());
}

TEST_F(Tunnel, ItsFirstBytesMayComeWithTheRequest) {
  world.say("GET /ws HTTP/1.1\r\nhost: pay\r\n" + std::string(kUpgrade) + "\r\nfirst");
  world.run();
  Server& server = world.accept();
  EXPECT_FALSE(server.requests->seen.ends_with("first")) << "nobody has agreed yet";
  take(*server.requests);
  server.say(kSwitching);
  EXPECT_TRUE(world.received().starts_with("HTTP/1.1 101 "));
  EXPECT_EQ(take(*server.requests), "first");
}

TEST_F(Tunnel, ItsFirstBytesMayComeWithTheAnswer) {
  world.get("/ws", kUpgrade);
  world.accept().say(std::string(kSwitching) + "hello");
  EXPECT_TRUE(world.received().ends_with("\r\n\r\nhello"));
}

TEST_F(Tunnel, TheServerMayEndFirst) {
  Server& server = begin();
  server.say("bye");
  server.end();
  EXPECT_EQ(world.received(), "bye");
  EXPECT_TRUE(world.answers->is_ended);
  EXPECT_FALSE(world.is_reset());
  EXPECT_FALSE(world.is_over());
  world.say("more");
  world.run();
  EXPECT_EQ(take(*server.requests), "more");
  EXPECT_FALSE(server.requests->is_ended);
  world.say("last");
  world.end_client();
  world.run();
  EXPECT_EQ(take(*server.requests), "last");
  expect_orderly_end(server);
  EXPECT_EQ(world.last().bytes_sent, 8u);
  EXPECT_EQ(world.last().bytes_received, 3u);
}

TEST_F(Tunnel, TheClientMayEndFirst) {
  Server& server = begin();
  world.say("bye");
  world.end_client();
  world.run();
  EXPECT_EQ(take(*server.requests), "bye");
  EXPECT_TRUE(server.requests->is_ended);
  EXPECT_FALSE(world.answers->is_ended);
  server.say("last");
  server.end();
  EXPECT_EQ(world.received(), "last");
  expect_orderly_end(server);
}

TEST_F(Tunnel, ItsLastBytesWaitForASlowServer) {
  Server& server = begin();
  server.end();
  world.run();
  server.requests->capacity = 3;
  world.say("farewell");
  world.end_client();
  world.run();
  EXPECT_FALSE(server.requests->is_ended);
  EXPECT_TRUE(world.log.records.empty());
  std::string got;
  for (int i = 0; i < 3; i++) {
    got += take(*server.requests);
    world.run();
  }
  EXPECT_EQ(got, "farewell");
  expect_orderly_end(server);
}

TEST_F(Tunnel, ItsLastBytesWaitForASlowClient) {
  Server& server = begin();
  world.answers->capacity = 3;
  world.end_client();
  world.run();
  server.say("farewell");
  server.end();
  world.run();
  EXPECT_FALSE(world.is_over());
  EXPECT_EQ(world.received(), "farewell");
  expect_orderly_end(server);
}

TEST_F(Tunnel, AResetServerIsAResetForTheClient) {
  Server& server = begin();
  server.answers->is_reset = true;
  world.run();
  EXPECT_TRUE(world.is_over());
  EXPECT_TRUE(world.is_reset());
  EXPECT_EQ(world.last().reason, Reason::upstream_failed);
}

TEST_F(Tunnel, AResetClientIsAResetForTheServer) {
  Server& server = begin();
  world.requests->is_reset = true;
  world.run();
  EXPECT_TRUE(world.is_over());
  EXPECT_TRUE(server.requests->is_reset);
}

}  // namespace
}  // namespace keelson::proxy
