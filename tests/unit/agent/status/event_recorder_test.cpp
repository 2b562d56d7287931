#include "status/event_recorder.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "support/fake_clock.h"
#include "support/fake_rest.h"

namespace keelson::status {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::MatchesRegex;

Event joined(const std::string& pod = "web-1") {
  return {{model::Kind::kPod, "shop", pod}, "6f1c", false, "MeshJoined", "Enrol",
          "the pod is in the mesh"};
}

class EventRecorderTest : public testing::Test {
 protected:
  void run(std::chrono::milliseconds limit = 0ms) {
    const MonotonicTime end = clock_.now() + limit;
    for (auto next = recorder_.next_wake(); next && *next <= end; next = recorder_.next_wake()) {
      clock_.advance(std::max<MonotonicTime::duration>(*next - clock_.now(), 0ns));
      recorder_.wake();
      if (rest_.is_called("events")) return;
    }
    clock_.advance(std::max<MonotonicTime::duration>(end - clock_.now(), 0ns));
  }
  void tell(const Event& event) {
    recorder_.add(event);
    run();
    rest_.answer("events", 201, "{}");
  }

  test::FakeRest rest_;
  test::FakeClock clock_;
  EventRecorder recorder_{"n1", {rest_, clock_, [] { return 0.5; }, [] {}}};
};

TEST_F(EventRecorderTest, APodsEventIsMadeInItsNamespace) {
  recorder_.add(joined());
  run();
  const auto call = rest_.call("events");
  EXPECT_EQ(call->method, "POST");
  EXPECT_EQ(call->target, "/apis/events.k8s.io/v1/namespaces/shop/events");
  const json event = json::parse(call->body);
  EXPECT_THAT(event["metadata"]["name"].get<std::string>(), MatchesRegex("web-1\\.[0-9a-f]{16}"));
  EXPECT_EQ(event["metadata"]["namespace"], "shop");
  EXPECT_EQ(event["regarding"], json::parse(R"({"apiVersion":"v1","kind":"Pod","name":"web-1",)"
                                            R"("namespace":"shop","uid":"6f1c"})"));
  EXPECT_EQ(event["reason"], "MeshJoined");
  EXPECT_EQ(event["action"], "Enrol");
  EXPECT_EQ(event["type"], "Normal");
  EXPECT_EQ(event["reportingController"], "keelson.dev/agent");
  EXPECT_EQ(event["reportingInstance"], "n1");
  EXPECT_THAT(event["eventTime"].get<std::string>(), testing::EndsWith(".000000Z"));
  rest_.answer("events", 201, "{}");
  run(1h);
  EXPECT_EQ(rest_.calls_made(), 1u);
  EXPECT_EQ(recorder_.written(), 1u);
}

TEST_F(EventRecorderTest, ANamespacesEventIsInTheNamespaceItself) {
  recorder_.add(
      {{model::Kind::kNamespace, "", "shop"}, "u", false, "MeshEnabled", "Enrol", "note"});
  run();
  EXPECT_EQ(rest_.call("events")->target, "/apis/events.k8s.io/v1/namespaces/shop/events");
  EXPECT_EQ(json::parse(rest_.call("events")->body)["regarding"]["kind"], "Namespace");
}

TEST_F(EventRecorderTest, WhatHappensAgainIsCountedAtMostEveryFiveMinutes) {
  tell(joined());
  for (int i = 0; i < 7; ++i) recorder_.add(joined());
  run(4min);
  EXPECT_FALSE(rest_.is_called("events"));
  run(2min);
  const auto call = rest_.call("events");
  EXPECT_EQ(call->method, "PATCH");
  EXPECT_EQ(json::parse(call->body)["series"]["count"], 8);
  recorder_.add(joined());  // while it is under way
  rest_.answer("events", 200, "{}");
  run(6min);
  EXPECT_EQ(json::parse(rest_.call("events")->body)["series"]["count"], 9);
}

TEST_F(EventRecorderTest, AnEventThatHasExpiredIsMadeAnew) {
  tell(joined());
  clock_.advance(2h);
  recorder_.add(joined());
  run();
  EXPECT_EQ(rest_.call("events")->method, "PATCH");
  rest_.answer("events", 404, "{}");
  run(1s);
  EXPECT_EQ(rest_.call("events")->method, "POST");
}

TEST_F(EventRecorderTest, ARestartedAgentCountsInTheSeriesOfTheOneBefore) {
  recorder_.add(joined());
  run();
  rest_.answer("events", 409, R"({"kind":"Status","reason":"AlreadyExists"})");
  run(1s);
  const auto call = rest_.call("events");
  EXPECT_EQ(call->method, "PATCH");
  EXPECT_EQ(json::parse(call->body)["series"]["count"], 2);
}

TEST_F(EventRecorderTest, ABurstGoesAtOnceAndTheRestASecondEach) {
  for (int i = 0; i < 100; ++i) recorder_.add(joined("web-" + std::to_string(i)));
  const MonotonicTime began = clock_.now();
  size_t at_once = 0;
  for (int i = 0; i < 100; ++i) {
    run(10s);
    rest_.answer("events", 201, "{}");
    if (clock_.now() == began) ++at_once;
  }
  EXPECT_GE(at_once, 50u);
  EXPECT_LE(at_once, 51u);
  EXPECT_GE(clock_.now() - began, 48s);
  EXPECT_EQ(recorder_.written(), 100u);
}

TEST_F(EventRecorderTest, WhatDoesNotFitIsDroppedAndCounted) {
  for (int i = 0; i < 300; ++i) recorder_.add(joined("web-" + std::to_string(i)));
  EXPECT_EQ(recorder_.dropped(), 300u - 256u);
}

TEST_F(EventRecorderTest, OldOnesAreForgottenForNewOnes) {
  for (int i = 0; i < 3000; ++i) {
    recorder_.add(joined("web-" + std::to_string(i)));
    run(1min);
    rest_.answer("events", 201, "{}");
  }
  EXPECT_EQ(recorder_.dropped(), 0u);
  EXPECT_EQ(recorder_.written(), 3000u);
}

TEST_F(EventRecorderTest, AnAwayServerIsWaitedForAndARefusalIsDropped) {
  recorder_.add(joined());
  run();
  rest_.fail("events");
  EXPECT_EQ(recorder_.error()->reason, Reason::cannot_reach);
  run(1min);
  rest_.answer("events", 403, R"({"kind":"Status","reason":"Forbidden"})");
  EXPECT_EQ(recorder_.error()->reason, Reason::api_forbidden);
  EXPECT_EQ(recorder_.dropped(), 1u);
  run(1h);
  EXPECT_EQ(rest_.calls_made(), 2u);
  tell(joined("web-2"));
  EXPECT_FALSE(recorder_.error());
}

TEST_F(EventRecorderTest, AnEventThatIsTriedAgainAndAgainHoldsNoOtherUp) {
  recorder_.add(joined("web-1"));
  recorder_.add(joined("web-2"));
  run();
  const std::string first = rest_.call("events")->body;
  rest_.answer("events", 500, R"({"kind":"Status","reason":"InternalError"})");
  run(10s);
  EXPECT_NE(rest_.call("events")->body, first);
  rest_.answer("events", 201, "{}");
  run(10s);
  EXPECT_EQ(rest_.call("events")->body, first);
}

TEST_F(EventRecorderTest, TextsAreCutToWhatTheServerTakes) {
  Event event = joined(std::string(240, 'a') + "-b");
  event.note = std::string(3000, 'n') + "\xff";
  recorder_.add(event);
  run();
  const json made = json::parse(rest_.call("events")->body);
  EXPECT_LE(made["note"].get<std::string>().size(), 1024u);
  EXPECT_LE(made["metadata"]["name"].get<std::string>().size(), 253u);
}

}  // namespace
}  // namespace keelson::status
