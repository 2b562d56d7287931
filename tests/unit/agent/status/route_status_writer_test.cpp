#include "status/route_status_writer.h"

#include <gmock/gmock.h>

#include "support/fake_clock.h"
#include "support/fake_rest.h"

namespace keelson::status {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const model::ObjectKey kRoute{model::Kind::kHttpRoute, "shop", "r"};

std::string object(int generation = 1, const std::string& parents = "[]") {
  return R"({"kind":"HTTPRoute","metadata":{"name":"r","namespace":"shop","resourceVersion":"7",)"
         R"("generation":)" +
         std::to_string(generation) +
         R"(},"spec":{"parentRefs":[{"group":"","kind":"Service","name":"pay"}]},)"
         R"("status":{"parents":)" +
         parents + "}}";
}

class RouteStatusWriterTest : public testing::Test {
 protected:
  static RouteStatus accepted(int64_t generation = 1) {
    RouteStatus status;
    status.generation = generation;
    status.parents.push_back(
        {{"shop", "pay", 0, "", 0}, {true, "Accepted", ""}, {true, "ResolvedRefs", ""}});
    return status;
  }
  // As the owner's timer would, until a call is made or nothing is to be done before `limit`.
  void run(std::chrono::milliseconds limit = 0ms) {
    const MonotonicTime end = clock_.now() + limit;
    for (auto next = writer_.next_wake(); next && *next <= end; next = writer_.next_wake()) {
      clock_.advance(std::max<MonotonicTime::duration>(*next - clock_.now(), 0ns));
      writer_.wake();
      if (rest_.is_called("httproutes")) return;
    }
    clock_.advance(std::max<MonotonicTime::duration>(end - clock_.now(), 0ns));
  }
  // From what the server has to what it should have.
  void write_once() {
    run(1s);
    rest_.answer("httproutes/r", 200, object());
    rest_.answer("httproutes/r/status", 200, "{}");
    ASSERT_EQ(writer_.writes(), 1u);
  }

  test::FakeRest rest_;
  test::FakeClock clock_;
  bool leads_ = true;
  RouteStatusWriter writer_{{rest_, clock_, [] { return 0.5; }, [this] { return leads_; }, [] {}}};
};

TEST_F(RouteStatusWriterTest, ReadsOnceWritesOnceAndIsQuiet) {
  writer_.want({{kRoute, accepted()}});
  run();
  const auto read = rest_.call("httproutes");
  EXPECT_EQ(read->method, "GET");
  EXPECT_EQ(read->target, "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/r");
  rest_.answer("httproutes", 200, object());
  const auto write = rest_.call("httproutes");
  EXPECT_EQ(write->method, "PATCH");
  EXPECT_EQ(write->target,
            "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/r/status"
            "?fieldManager=keelson-agent");
  EXPECT_EQ(write->content_type, "application/merge-patch+json");
  EXPECT_THAT(write->body, HasSubstr(R"("resourceVersion":"7")"));
  EXPECT_THAT(write->body, HasSubstr(R"("controllerName":"keelson.dev/mesh")"));
  rest_.answer("httproutes", 200, "{}");
  EXPECT_EQ(writer_.writes(), 1u);

  writer_.want({{kRoute, accepted()}});
  run(5min);
  EXPECT_EQ(rest_.calls_made(), 2u);
}

TEST_F(RouteStatusWriterTest, WhatIsThereAlreadyIsReadAndLeftAlone) {
  RouteStatus nothing;
  nothing.generation = 1;
  writer_.want({{kRoute, nothing}});
  run();
  rest_.answer("httproutes", 200, object());
  run(1h);
  EXPECT_EQ(rest_.calls_made(), 1u) << "a route of others is looked at once";
  EXPECT_EQ(writer_.writes(), 0u);
}

TEST_F(RouteStatusWriterTest, OnlyTheLeaderWritesAndANewLeaderReadsAll) {
  leads_ = false;
  writer_.want({{kRoute, accepted()}});
  run(1h);
  EXPECT_EQ(rest_.calls_made(), 0u);
  leads_ = true;
  writer_.want({{kRoute, accepted()}});
  write_once();
  leads_ = false;
  run(1s);
  leads_ = true;
  run(1s);
  EXPECT_FALSE(rest_.is_called("httproutes")) << "what it wanted when it led before is forgotten";
  writer_.want({{kRoute, accepted()}});
  run(1s);
  EXPECT_TRUE(rest_.is_called("httproutes"));
  leads_ = false;  // between reading and writing
  rest_.answer("httproutes", 200, object());
  EXPECT_EQ(rest_.calls_made(), 3u);
}

TEST_F(RouteStatusWriterTest, WhoeverWasFasterIsReadAgain) {
  writer_.want({{kRoute, accepted()}});
  run();
  rest_.answer("httproutes", 200, object());
  rest_.answer("httproutes", 409, R"({"kind":"Status","reason":"Conflict"})");
  EXPECT_FALSE(writer_.error());
  run(1s);
  EXPECT_EQ(rest_.call("httproutes")->method, "GET");
}

TEST_F(RouteStatusWriterTest, AVersionThatTheWatchHasNotBroughtYetIsWaitedFor) {
  writer_.want({{kRoute, accepted()}});
  run();
  rest_.answer("httproutes", 200, object(2));
  run(1s);
  EXPECT_FALSE(rest_.is_called("httproutes"));
  writer_.want({{kRoute, accepted(2)}});
  run(1s);
  rest_.answer("httproutes", 200, object(2));
  EXPECT_EQ(rest_.call("httproutes")->method, "PATCH");
}

TEST_F(RouteStatusWriterTest, AVerdictThatChangesWhileItIsWrittenIsWrittenAgain) {
  writer_.want({{kRoute, accepted()}});
  run();
  rest_.answer("httproutes", 200, object());
  RouteStatus other = accepted();
  other.parents[0].accepted = {false, "NoMatchingParent", "gone"};
  writer_.want({{kRoute, other}});
  rest_.answer("httproutes", 200, "{}");
  run(1s);
  rest_.answer("httproutes", 200, object());
  EXPECT_THAT(rest_.call("httproutes")->body, HasSubstr("NoMatchingParent"));
}

TEST_F(RouteStatusWriterTest, WhatSomebodyTookAwayIsPutBack) {
  writer_.want({{kRoute, accepted()}});
  write_once();
  run(9min);
  EXPECT_FALSE(rest_.is_called("httproutes"));
  run(2min);
  rest_.answer("httproutes", 200, object());
  EXPECT_EQ(rest_.call("httproutes")->method, "PATCH");
}

TEST_F(RouteStatusWriterTest, AnAwayServerIsAskedLessAndLess) {
  writer_.want({{kRoute, accepted()}});
  for (int i = 0; i < 8; ++i) {
    run(1min);
    rest_.fail("httproutes");
    ASSERT_TRUE(writer_.error());
    EXPECT_EQ(writer_.error()->reason, Reason::cannot_reach);
  }
  EXPECT_GE(*writer_.next_wake() - clock_.now(), 15s);
  run(1min);
  write_once();
  EXPECT_FALSE(writer_.error());
}

TEST_F(RouteStatusWriterTest, OneRouteThatTheServerRefusesHoldsNoOtherUp) {
  const model::ObjectKey other{model::Kind::kHttpRoute, "shop", "z"};
  writer_.want({{kRoute, accepted()}, {other, accepted()}});
  run();
  rest_.answer("httproutes/r", 200, object());
  rest_.answer("httproutes/r/status", 422, R"({"kind":"Status","reason":"Invalid"})");
  EXPECT_EQ(writer_.error()->reason, Reason::api_refused);
  run(1s);
  rest_.answer("httproutes/z", 200, object());
  rest_.answer("httproutes/z/status", 200, "{}");
  EXPECT_EQ(writer_.writes(), 1u);
  EXPECT_TRUE(writer_.error()) << "of the first";
  writer_.want({{other, accepted()}});
  EXPECT_FALSE(writer_.error());
}

// 403 by an admission webhook, 500 by one of conversion: nothing tells it from trouble with all.
TEST_F(RouteStatusWriterTest, ARouteThatIsTriedAgainAndAgainHoldsNoOtherUp) {
  const model::ObjectKey other{model::Kind::kHttpRoute, "shop", "z"};
  writer_.want({{kRoute, accepted()}, {other, accepted()}});
  run();
  rest_.answer("httproutes/r", 500, R"({"kind":"Status","reason":"InternalError"})");
  run(10s);
  rest_.answer("httproutes/z", 200, object());
  rest_.answer("httproutes/z/status", 200, "{}");
  EXPECT_EQ(writer_.writes(), 1u);
  EXPECT_TRUE(writer_.error()) << "of the first";
  run(10s);
  rest_.answer("httproutes/r", 200, object());
  rest_.answer("httproutes/r/status", 200, "{}");
  EXPECT_FALSE(writer_.error());
}

TEST_F(RouteStatusWriterTest, AtMostTenCallsASecond) {
  RouteStatuses wanted;
  for (int i = 0; i < 40; ++i)
    wanted[{model::Kind::kHttpRoute, "shop", "r" + std::to_string(i)}] = accepted();
  writer_.want(wanted);
  const MonotonicTime began = clock_.now();
  for (int i = 0; i < 40; ++i) {
    run(1s);
    rest_.answer("httproutes", 404, "{}");
  }
  EXPECT_GE(clock_.now() - began, 3900ms);
  EXPECT_EQ(rest_.calls_made(), 40u);
  EXPECT_FALSE(writer_.error()) << "what is gone is no trouble";
}

}  // namespace
}  // namespace keelson::status
