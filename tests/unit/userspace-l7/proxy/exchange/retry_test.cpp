// What is sent a second time, and what is not.
#include <gtest/gtest.h>

#include "exchange/exchange_world.h"

namespace keelson::proxy {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nhost: pay\r\n\r\n";

TEST(Retry, AnIdempotentRequestOnAKeptConnectionThatDied) {
  ExchangeWorld world;
  Server& kept = world.keep_connection();
  world.get("/second");
  EXPECT_TRUE(kept.requests->seen.starts_with("GET /second "));
  kept.end();
  world.run();
  ASSERT_EQ(world.connector.waiting.size(), 1u);
  Server& fresh = world.accept();
  EXPECT_TRUE(fresh.requests->seen.starts_with("GET /second "));
  EXPECT_EQ(fresh.requests->seen.find("GET ", 1), std::string::npos) << "once";
  fresh.say(ok("second"));
  EXPECT_TRUE(world.received().ends_with("second"));
  EXPECT_EQ(world.last().http->attempts, 2u);
  EXPECT_EQ(world.last().reason, Reason::answered);
}

// What the kernel has and the loop has not told yet: an end, or a word that nobody asked for, which
// must not become the answer to the next request.
TEST(Retry, NoRequestGoesToAKeptConnectionThatIsNotQuiet) {
  for (const std::string method : {"GET", "POST"}) {
    for (const std::string word :
         {"", "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n"}) {
      ExchangeWorld world;
      Server& kept = world.keep_connection();
      kept.requests->seen.clear();
      kept.stream->is_loop_late = true;
      kept.say(word);
      kept.end();
      world.say(method + " /second HTTP/1.1\r\nhost: pay\r\n\r\n");
      world.run();
      EXPECT_EQ(kept.requests->seen, "") << method << word;
      ASSERT_EQ(world.connector.waiting.size(), 1u) << method << word;
      Server& fresh = world.accept();
      EXPECT_TRUE(fresh.requests->seen.starts_with(method + " /second ")) << method << word;
      fresh.say(ok("second"));
      EXPECT_TRUE(world.received().ends_with("second")) << method << word;
    }
  }
}

TEST(Retry, HappensOnce) {
  ExchangeWorld world;
  Server& kept = world.keep_connection();
  world.get();
  kept.end();
  world.run();
  world.accept().end();
  EXPECT_TRUE(world.received().starts_with("HTTP/1.1 502 "));
  EXPECT_EQ(world.connector.dialled.size(), 2u);
  EXPECT_TRUE(world.connector.waiting.empty());
}

TEST(Retry, TakesNoOtherKeptConnection) {
  ExchangeWorld world;
  world.say(kGet);
  world.run();
  Server& first = world.accept();
  // A second one of the same pod is kept, as another connection of it would leave it.
  auto target = *resolve_target(*world.config, world.config->pod("uid-web"),
                                ExchangeWorld::endpoint("192.0.2.1"));
  std::unique_ptr<UpstreamConnection> other;
  const auto pending = world.upstreams.open(target, [&](auto made) { other = std::move(*made); });
  ASSERT_TRUE(pending);
  Server& second = world.accept();
  first.say(ok("first"));
  world.received();
  world.upstreams.give_back(std::move(other));
  ASSERT_EQ(world.upstreams.counts().idle, 2u);
  world.get();
  ASSERT_EQ(second.requests->seen, kGet) << "the last used first";
  second.end();
  world.run();
  EXPECT_EQ(world.connector.waiting.size(), 1u) << "a fresh one, which cannot be as stale";
}

struct NoRetryCase {
  const char* name;
  bool is_reused;
  std::string request;
  std::string answer;  // before the connection breaks
  int status;          // 0: the client is reset
};
class NoRetry : public testing::TestWithParam<NoRetryCase> {};

TEST_P(NoRetry, OfWhatMayHaveBeenTaken) {
  const NoRetryCase& c = GetParam();
  ExchangeWorld world;
  if (c.is_reused) world.keep_connection();
  world.say(c.request);
  world.run();
  Server& server = c.is_reused ? world.server() : world.accept();
  EXPECT_FALSE(server.requests->seen.empty());
  server.say(c.answer);
  server.end();
  const std::string got = world.received();
  EXPECT_EQ(world.connector.dialled.size(), 1u);
  EXPECT_EQ(world.is_reset(), c.status == 0);
  if (c.status != 0) {
    EXPECT_NE(got.find("HTTP/1.1 " + std::to_string(c.status)), std::string::npos) << got;
  }
  EXPECT_EQ(world.last().reason, Reason::upstream_failed);
  EXPECT_EQ(world.last().http->attempts, 1u);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, NoRetry,
    testing::Values(
        NoRetryCase{"OnAFreshConnection", false, kGet, "", 502},
        NoRetryCase{"OfAPost", true, "POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 0\r\n\r\n",
                    "", 502},
        NoRetryCase{"OfABody", true, "PUT / HTTP/1.1\r\nhost: pay\r\ncontent-length: 4\r\n\r\nbody",
                    "", 502},
        NoRetryCase{"OfABodyThatIsToCome", true,
                    "PUT / HTTP/1.1\r\nhost: pay\r\ncontent-length: 4\r\n\r\n", "", 502},
        NoRetryCase{"BehindAByte", true, kGet, "H", 502},
        NoRetryCase{"BehindAnInterimAnswer", true, kGet,
                    "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", 502},
        NoRetryCase{"BehindAnAnswerThatHasBegun", true, kGet,
                    "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome", 0}),
    [](const auto& test) { return test.param.name; });

TEST(ConnectFailure, TriesAnotherEndpointOnceAndThenAnswers503) {
  ExchangeWorld world;
  world.set_endpoints({"192.0.2.1", "192.0.2.2", "192.0.2.3"});
  world.serve();
  world.say("POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 4\r\n\r\nbody");
  world.run();
  world.connector.fail_first(Reason::connect_refused);
  world.run();
  ASSERT_EQ(world.connector.dialled.size(), 2u);
  EXPECT_NE(world.connector.dialled[0], world.connector.dialled[1]);
  world.connector.fail_first(Reason::connect_timeout);
  EXPECT_TRUE(world.received().starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(world.connector.dialled.size(), 2u);
  EXPECT_EQ(world.last().reason, Reason::connect_timeout);
  EXPECT_EQ(world.last().http->attempts, 2u);
}

TEST(ConnectFailure, AnotherEndpointServesTheRequestWithItsBody) {
  ExchangeWorld world;
  world.set_endpoints({"192.0.2.1", "192.0.2.2"});
  world.serve();
  world.say("POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 4\r\n\r\nbody");
  world.run();
  world.connector.fail_first(Reason::connect_refused);
  world.run();
  Server& server = world.accept();
  EXPECT_TRUE(server.requests->seen.ends_with("\r\n\r\nbody"));
  server.say(ok("yes"));
  EXPECT_TRUE(world.received().ends_with("yes"));
  EXPECT_EQ(world.last().destination_address, world.connector.dialled[1].to_string());
}

TEST(ConnectFailure, OfTheOnlyEndpointIsAnswered503) {
  ExchangeWorld world;
  world.get();
  world.connector.fail_first(Reason::connect_refused);
  EXPECT_TRUE(world.received().starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(world.connector.dialled.size(), 1u);
  EXPECT_FALSE(world.is_over()) << "the connection goes on";
}

// The label lands: the kernel refuses by the row it still has what the proxy does by its new one.
TEST(ConnectFailure, WhereKernelAndProxyDoNotAgreeYetTheRequestWaits) {
  ExchangeWorld world;
  world.get();
  for (int i = 0; i < 3; i++) {
    world.connector.fail_first(Reason::connect_failed, EPERM);
    world.run();
    EXPECT_TRUE(world.connector.waiting.empty()) << "not at once";
    world.alarms.ring_within(kUnsettledRetry);
    world.run();
    ASSERT_EQ(world.connector.waiting.size(), 1u);
  }
  world.accept().say(ok("settled"));
  EXPECT_TRUE(world.received().ends_with("settled"));
  EXPECT_EQ(world.last().http->attempts, 1u);
  EXPECT_EQ(world.stats.count_of(Reason::unsettled_retried), 3u);
}

TEST(ConnectFailure, ADisagreementThatLastsIsAnswered503) {
  ExchangeWorld world;
  world.get();
  for (unsigned i = 0; i <= kUnsettledTriesMax; i++) {
    ASSERT_EQ(world.connector.waiting.size(), 1u) << i;
    world.connector.fail_first(Reason::connect_failed, EPERM);
    world.run();
    world.alarms.ring_within(kUnsettledRetry);
    world.run();
  }
  EXPECT_TRUE(world.received().starts_with("HTTP/1.1 503 "));
}

TEST(ConnectFailure, ADenialByThePeerIsAResetAndNoReasonToTryAnother) {
  ExchangeWorld world;
  world.set_endpoints({"192.0.2.1", "192.0.2.2"});
  world.serve();
  world.get();
  world.connector.fail_first(Reason::hbone_denied_by_peer);
  world.run();
  EXPECT_TRUE(world.is_over());
  EXPECT_TRUE(world.is_reset());
  EXPECT_TRUE(world.answers->seen.empty());
  EXPECT_EQ(world.connector.dialled.size(), 1u);
  EXPECT_EQ(world.last().reason, Reason::hbone_denied_by_peer);
}

}  // namespace
}  // namespace keelson::proxy
