#include "proxy/exchange/exchange.h"

#include <gtest/gtest.h>

#include "exchange/exchange_world.h"

namespace keelson::proxy {
namespace {

constexpr uint64_t kDenyAll = 50, kDenyPolicy = 5;

TEST(Exchange, PassesARequestAndItsAnswerAndLogsThem) {
  ExchangeWorld world;
  world.say("POST /a?secret=1 HTTP/1.1\r\nhost: pay\r\nx-own: 1\r\ncontent-length: 4\r\n\r\nbody");
  world.run();
  Server& server = world.accept();
  EXPECT_TRUE(server.requests->seen.starts_with("POST /a?secret=1 HTTP/1.1\r\n"));
  EXPECT_NE(server.requests->seen.find("x-own: 1\r\n"), std::string::npos);
  EXPECT_TRUE(server.requests->seen.ends_with("\r\n\r\nbody"));
  server.say(ok("answer"));
  EXPECT_TRUE(world.received().ends_with("\r\n\r\nanswer"));
  const AccessRecord& record = world.last();
  EXPECT_EQ(record.source, "shop/web");
  EXPECT_EQ(record.service, "shop/pay");
  EXPECT_EQ(record.http->path, "/a");
  EXPECT_EQ(record.http->status, 200);
  EXPECT_EQ(record.bytes_sent, 4u);
  EXPECT_EQ(record.bytes_received, 6u);
  EXPECT_EQ(record.reason, Reason::answered);
  EXPECT_EQ(world.upstreams.counts().idle, 1u);
}

// ---- answers without a body -------------------------------------------------------------------

struct BodilessCase {
  const char* name;
  const char* method;
  const char* answer;
};
class Bodiless : public testing::TestWithParam<BodilessCase> {};

TEST_P(Bodiless, IsAnsweredAndBothConnectionsGoOn) {
  const BodilessCase& c = GetParam();
  ExchangeWorld world;
  world.say(std::string(c.method) + " / HTTP/1.1\r\nhost: pay\r\n\r\n");
  world.run();
  Server& server = world.accept();
  server.say(c.answer);
  const std::string got = world.received();
  EXPECT_TRUE(got.ends_with("\r\n\r\n")) << got;
  EXPECT_EQ(got.substr(0, 12), std::string(c.answer).substr(0, 12));
  ASSERT_EQ(world.log.records.size(), 1u) << "it is complete";
  EXPECT_EQ(world.last().reason, Reason::answered);
  world.get("/next");
  EXPECT_NE(server.requests->seen.find("GET /next "), std::string::npos) << "on the same one";
  server.say(ok("next"));
  EXPECT_TRUE(world.received().ends_with("next"));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Bodiless,
    testing::Values(BodilessCase{"Head", "HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"},
                    BodilessCase{"HeadOfChunks", "HEAD",
                                 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"},
                    BodilessCase{"NoContent", "GET", "HTTP/1.1 204 No Content\r\n\r\n"},
                    BodilessCase{"NotModified", "GET",
                                 "HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n"}),
    [](const auto& test) { return test.param.name; });

TEST(Exchange, AnswersHeadItselfWithoutABody) {
  ExchangeWorld world;
  world.set_route(world.rule(), "/known");
  world.serve();
  world.say("HEAD /none HTTP/1.1\r\nhost: pay\r\n\r\n");
  const std::string got = world.received();
  EXPECT_TRUE(got.starts_with("HTTP/1.1 404 ")) << got;
  EXPECT_TRUE(got.ends_with("\r\n\r\n")) << got;
  EXPECT_FALSE(world.is_over());
}

// ---- answers that overtake their request ------------------------------------------------------

TEST(EarlyAnswer, LargerThanOneTurnArrivesWholeWhileTheRequestIsStillSent) {
  ExchangeWorld world;
  const std::string body(300000, 'a');
  constexpr size_t kUpload = 2 << 20, kPart = 50000;
  world.say("POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: " + std::to_string(kUpload) +
            "\r\n\r\n" + std::string(kPart, 'u'));
  world.run();
  Server& server = world.accept();
  server.say(ok(body));
  std::string got;
  for (size_t sent = kPart; sent < kUpload;) {
    const size_t part = std::min(kPart, kUpload - sent);
    world.say(std::string(part, 'u'));
    sent += part;
    world.turn();
    got += take(*world.answers);
    take(*server.requests);
  }
  got += world.received();
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(got.substr(0, 200).find("connection: close\r\n") != std::string::npos)
      << got.substr(0, 200);
  EXPECT_EQ(got.size() - got.find("\r\n\r\n") - 4, body.size());
  EXPECT_LT(server.requests->seen.size(), kUpload) << "nobody wants the rest";
  EXPECT_TRUE(world.requests->bytes.empty()) << "it is read, so that the client comes to read";
  EXPECT_TRUE(world.answers->is_ended);
  EXPECT_FALSE(world.is_reset());
  EXPECT_EQ(world.last().reason, Reason::answered);
  EXPECT_EQ(world.last().bytes_received, body.size());
  world.end_client();
  world.run();
  EXPECT_TRUE(world.is_over());
  EXPECT_FALSE(world.is_reset());
}

// Answers that the proxy takes whole: into the last buffers, or all of them.
struct UploadCase {
  const char* name;
  size_t answer_bytes;
  int reads;  // of the client, 1000 bytes each, before it reads no more
};
class EarlyAnswerToAnUpload : public testing::TestWithParam<UploadCase> {};

TEST_P(EarlyAnswerToAnUpload, ReachesAClientThatReadsOnlyWhenAllIsSent) {
  ExchangeWorld world;
  const std::string body(GetParam().answer_bytes, 'a'), upload(2 << 20, 'u');
  world.answers->capacity = 1000;
  world.say("POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: " + std::to_string(upload.size()) +
            "\r\n\r\n" + upload);
  world.run();
  Server& server = world.accept();
  EXPECT_FALSE(world.requests->bytes.empty()) << "the server does not read on";
  server.say(ok(body));
  world.run();
  std::string got;
  for (int i = 0; i < GetParam().reads; i++) {
    got += take(*world.answers);
    world.run();
  }
  EXPECT_TRUE(server.answers->bytes.empty());
  EXPECT_TRUE(world.requests->bytes.empty());
  got += world.received();
  EXPECT_TRUE(got.ends_with("\r\n\r\n" + body));
  EXPECT_TRUE(world.answers->is_ended);
  EXPECT_FALSE(world.is_reset());
  EXPECT_EQ(world.last().bytes_received, body.size());
}
INSTANTIATE_TEST_SUITE_P(Cases, EarlyAnswerToAnUpload,
                         testing::Values(UploadCase{"SentAtOnce", 10000, 0},
                                         UploadCase{"SentInTwoTurns", 75000, 0},
                                         UploadCase{"NotSentForLong", 140000, 5}),
                         [](const auto& test) { return test.param.name; });

TEST(EarlyAnswer, IsHeardFromAServerThatThenTakesNothingMore) {
  ExchangeWorld world;
  world.say("POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 1000000\r\n\r\n" +
            std::string(10000, 'u'));
  world.run();
  Server& server = world.accept();
  server.say(
      "HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\nconnection: close\r\n\r\nmuch");
  server.end();
  server.requests->is_reset = true;
  world.say(std::string(10000, 'u'));
  const std::string got = world.received();
  EXPECT_TRUE(got.starts_with("HTTP/1.1 413 Content Too Large\r\n")) << got;
  EXPECT_TRUE(got.ends_with("\r\n\r\nmuch")) << got;
  EXPECT_TRUE(world.answers->is_ended);
  EXPECT_FALSE(world.is_reset());
  EXPECT_EQ(world.last().http->status, 413);
  world.say(std::string(100000, 'u'));
  world.end_client();
  world.run();
  EXPECT_TRUE(world.is_over());
  EXPECT_FALSE(world.is_reset());
}

TEST(EarlyAnswer, ThatNeverCameIs502) {
  ExchangeWorld world;
  world.say("POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 1000000\r\n\r\n" +
            std::string(10000, 'u'));
  world.run();
  world.accept().requests->is_reset = true;
  world.say(std::string(10000, 'u'));
  EXPECT_TRUE(world.received().starts_with("HTTP/1.1 502 "));
  EXPECT_EQ(world.last().reason, Reason::upstream_failed);
}

TEST(EarlyAnswer, ThatNeverCameIs502WithoutWaitingForTheRestOfTheRequest) {
  ExchangeWorld world;
  world.say("POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 10000000\r\n\r\n" +
            std::string(10000, 'u'));
  world.run();
  world.accept().requests->is_reset = true;
  world.say(std::string(5000000, 'u'));
  world.turn();
  EXPECT_FALSE(world.requests->bytes.empty());
  EXPECT_TRUE(world.answers->seen.starts_with("HTTP/1.1 502 "));
}

// ---- memory -----------------------------------------------------------------------------------

TEST(Starved, AnUploadGoesOnWhenThereAreBuffersAgain) {
  ExchangeWorld world;
  const std::string body(60000, 'u');
  world.say("POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 60000\r\n\r\n" + body.substr(0, 100));
  world.run();
  Server& server = world.accept();
  for (size_t left = 0; left < 3; left++) {
    world.take_all_blocks(left);
    world.say(body.substr(100 + left * 1000, 1000));
    world.run();
    world.ring_starved();
    EXPECT_TRUE(world.log.records.empty()) << world.last().detail;
    EXPECT_GT(world.stats.count_of(Reason::buffer_pool_empty), 0u);
    world.release_blocks();
    world.ring_starved();
  }
  world.say(body.substr(3100));
  world.run();
  EXPECT_TRUE(server.requests->seen.ends_with("\r\n\r\n" + body));
  world.take_all_blocks();
  server.say(ok("answer"));
  world.run();
  EXPECT_TRUE(world.answers->seen.empty());
  world.release_blocks();
  world.ring_starved();
  EXPECT_TRUE(world.received().ends_with("answer"));
  EXPECT_EQ(world.last().bytes_sent, body.size());
  EXPECT_EQ(world.last().bytes_received, 6u);
}

TEST(Starved, ADownloadGoesOnWhenThereAreBuffersAgain) {
  ExchangeWorld world;
  world.get();
  Server& server = world.accept();
  server.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
  world.run();
  for (size_t left = 0; left < 4; left++) {
    world.take_all_blocks(left);
    server.say("5\r\nhello\r\n");
    world.run();
    world.ring_starved();
    EXPECT_FALSE(world.is_over()) << left << " blocks: " << world.last().detail;
    if (world.is_over()) return;
    world.release_blocks();
    world.ring_starved();
  }
  server.say("0\r\n\r\n");
  world.received();
  EXPECT_EQ(world.last().bytes_received, 20u);
  EXPECT_EQ(world.last().reason, Reason::answered);
}

// ---- policy -----------------------------------------------------------------------------------

// A pod of this node behind the Service, and a policy that denies everybody.
struct Judged : testing::Test {
  Judged() {
    auto set = std::make_shared<config::PolicySet>();
    ks_policy deny{};
    deny.verdict = KS_DENY;
    deny.deny_matched = 1;
    deny.policy = kDenyPolicy;
    set->identity_class_default = 1;
    set->rows[{1, 0, 0}] = deny;
    set->policy_names[kDenyPolicy] = "shop/nobody";
    world.runtime.policy_sets[kDenyAll] = set;
    world.add_pod("pay", "10.0.0.2", 2);
    world.set_endpoints({"10.0.0.2"});
    world.serve();
  }
  void deny() {
    world.add_pod("pay", "10.0.0.2", 2)->policy_set = {kDenyAll, 0};
    world.serve();
  }
  ExchangeWorld world;
};

TEST_F(Judged, ADenialIsAResetWithoutAnAnswerOrADial) {
  deny();
  world.get();
  EXPECT_TRUE(world.is_over());
  EXPECT_TRUE(world.is_reset());
  EXPECT_TRUE(world.answers->seen.empty());
  EXPECT_TRUE(world.connector.dialled.empty());
  EXPECT_EQ(world.last().reason, Reason::policy_denied);
  EXPECT_EQ(world.last().policy, "shop/nobody");
}

TEST_F(Judged, AKeptConnectionDoesNotPassByANewDenial) {
  Server& kept = world.keep_connection();
  deny();
  world.get();
  EXPECT_TRUE(world.is_reset());
  EXPECT_TRUE(kept.requests->seen.empty());
  EXPECT_EQ(world.last().reason, Reason::policy_denied);
}

TEST_F(Judged, ANewDenialCutsTheRequestUnderWay) {
  world.get();
  Server& server = world.accept();
  deny();
  world.connection->rejudge(*world.config);
  world.run();
  EXPECT_TRUE(world.is_over());
  EXPECT_TRUE(world.is_reset());
  EXPECT_TRUE(server.requests->is_reset);
  ASSERT_EQ(world.log.records.size(), 1u);
  EXPECT_EQ(world.last().reason, Reason::connections_cut);
  EXPECT_EQ(world.last().policy, "shop/nobody");
}

// ---- configuration, time, ends ----------------------------------------------------------------

TEST(Exchange, DecidesByTheConfigurationItBeganWith) {
  ExchangeWorld world;
  world.set_endpoints({"192.0.2.1", "192.0.2.2"});
  world.serve();
  const uint64_t old = world.config->generation();
  world.get();
  world.set_endpoints({"192.0.2.9"});
  world.serve();
  world.connector.fail_first(Reason::connect_refused);
  world.run();
  ASSERT_EQ(world.connector.dialled.size(), 2u);
  EXPECT_NE(world.connector.dialled[1], world.connector.dialled[0]);
  EXPECT_NE(world.connector.dialled[1], ExchangeWorld::endpoint("192.0.2.9"));
  world.accept().say(ok("old"));
  EXPECT_TRUE(world.received().ends_with("old"));
  EXPECT_EQ(world.last().generation, old);
  world.get();
  ASSERT_EQ(world.connector.dialled.size(), 3u);
  EXPECT_EQ(world.connector.dialled[2], ExchangeWorld::endpoint("192.0.2.9"));
  world.accept().say(ok("new"));
  EXPECT_TRUE(world.received().ends_with("new"));
  EXPECT_EQ(world.last().generation, old + 1);
}

TEST(Exchange, ALateAnswerIs504AndItsConnectionIsNotKept) {
  ExchangeWorld world;
  auto rule = world.rule();
  rule.request_timeout = std::chrono::milliseconds(200);
  world.set_route(rule);
  world.serve();
  world.get();
  Server& server = world.accept();
  world.alarms.ring_within(std::chrono::milliseconds(200));
  EXPECT_TRUE(world.received().starts_with("HTTP/1.1 504 "));
  EXPECT_TRUE(server.requests->is_reset);
  EXPECT_EQ(world.last().reason, Reason::request_timeout);
  EXPECT_FALSE(world.is_over());
}

constexpr std::string_view kUpload = "POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 10\r\n\r\n";

// The bug: such a client held its exchange, and a connection to a backend, for ever.
TEST(Exchange, ABodyThatDoesNotComeIs408AndTheClientIsToldThatItEnds) {
  ExchangeWorld world;
  world.say(kUpload);
  world.run();
  const Server& server = world.accept();
  world.alarms.ring_within(kHttpBodyTime);
  const std::string got = world.received();
  EXPECT_TRUE(got.starts_with("HTTP/1.1 408 ")) << got;
  EXPECT_NE(got.find("connection: close"), std::string::npos) << got;
  EXPECT_TRUE(server.requests->is_reset);
  EXPECT_EQ(world.last().reason, Reason::http_body_timeout);
  EXPECT_EQ(world.stats.count_of(Reason::http_body_timeout), 1u);
  EXPECT_TRUE(world.answers->is_ended);
}

TEST(Exchange, ABodyThatComesSlowlyIsNotCut) {
  ExchangeWorld world;
  world.say(kUpload);
  world.run();
  const Server& server = world.accept();
  for (int i = 0; i < 10; i++) {
    world.alarms.advance(kHttpBodyTime - std::chrono::milliseconds(1));
    world.run();
    world.say("x");
    world.run();
  }
  world.alarms.advance(kHttpBodyTime);  // the backend takes its time
  world.run();
  EXPECT_TRUE(server.requests->seen.ends_with("xxxxxxxxxx"));
  server.say(ok("thanks"));
  EXPECT_TRUE(world.received().ends_with("thanks"));
}

TEST(Exchange, ABodyThatCameBeforeTheLoopToldIsInTime) {
  ExchangeWorld world;
  world.say(kUpload);
  world.run();
  const Server& server = world.accept();
  world.say("0123456789");
  world.stream->announce();  // and the alarm rings before the turn
  world.alarms.advance(kHttpBodyTime);
  world.run();
  EXPECT_TRUE(server.requests->seen.ends_with("0123456789"));
  EXPECT_TRUE(world.log.records.empty());
}

TEST(Exchange, ABodyThatStopsBehindAnAnswerThatHasBegunIsAReset) {
  ExchangeWorld world;
  world.say(kUpload);
  world.run();
  const Server& server = world.accept();
  server.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome");
  world.received();
  world.alarms.advance(kHttpBodyTime - std::chrono::milliseconds(1));
  world.run();
  server.say("more");  // an answer that flows is reason enough to wait
  world.received();
  world.alarms.advance(kHttpBodyTime - std::chrono::milliseconds(1));
  world.run();
  ASSERT_FALSE(world.is_over());
  world.alarms.advance(std::chrono::milliseconds(1));
  world.run();
  EXPECT_TRUE(world.is_over());
  EXPECT_TRUE(world.is_reset());
  EXPECT_EQ(world.last().reason, Reason::http_body_timeout);
}

TEST(Exchange, ABackendThatTakesNothingIsNotTheClientsFault) {
  ExchangeWorld world;
  world.say(kUpload);
  world.run();
  const Server& server = world.accept();
  server.requests->capacity = 1;
  world.say("0123");
  world.run();
  world.alarms.advance(kHttpBodyTime);
  world.run();
  EXPECT_FALSE(world.is_over());
  EXPECT_TRUE(world.log.records.empty());
}

TEST(Exchange, AnAnswerThatIsCutIsAReset) {
  ExchangeWorld world;
  world.get();
  Server& server = world.accept();
  server.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome");
  server.end();
  world.run();
  EXPECT_TRUE(world.is_over());
  EXPECT_TRUE(world.is_reset());
  EXPECT_EQ(world.last().reason, Reason::upstream_failed);
}

TEST(Exchange, EndsWithItsClient) {
  ExchangeWorld world;
  world.get();
  Server& server = world.accept();
  world.requests->is_reset = true;
  world.run();
  EXPECT_TRUE(world.is_over());
  EXPECT_TRUE(server.requests->is_reset);
  EXPECT_EQ(world.last().reason, Reason::downstream_ended);
}

TEST(Exchange, AClientThatEndedItsSideIsStillAnswered) {
  ExchangeWorld world;
  world.get();
  Server& server = world.accept();
  world.end_client();
  world.run();
  server.say(ok("answer"));
  EXPECT_TRUE(world.received().ends_with("answer"));
  EXPECT_TRUE(world.is_over());
  EXPECT_FALSE(world.is_reset());
  EXPECT_TRUE(world.answers->is_ended);
}

}  // namespace
}  // namespace keelson::proxy
