#include "source/kube/reflector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/fake_rest.h"

namespace keelson::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const kube::Resource& resource(std::string_view kind) {
  return *std::ranges::find(kube::followed_resources(), kind, &kube::Resource::kind);
}

std::string object(const std::string& name, int version, const std::string& spec = "1") {
  return R"({"metadata":{"name":")" + name + R"(","namespace":"shop","resourceVersion":")" +
         std::to_string(version) + R"("},"spec":)" + spec + "}";
}
std::string event(const std::string& type, const std::string& what) {
  return R"({"type":")" + type + R"(","object":)" + what + "}";
}
std::string bookmark(int version, bool ends_initial_events = false) {
  return event(
      "BOOKMARK",
      R"({"metadata":{"resourceVersion":")" + std::to_string(version) + "\"" +
          (ends_initial_events ? R"(,"annotations":{"k8s.io/initial-events-end":"true"})" : "") +
          "}}");
}
std::string page(int version, const std::vector<std::string>& items,
                 const std::string& continue_token = "") {
  std::string text = R"({"metadata":{"resourceVersion":")" + std::to_string(version) +
                     R"(","continue":")" + continue_token + R"("},"items":[)";
  for (size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "" : ",") + items[i];
  return text + "]}";
}
constexpr const char* kExpired = R"({"kind":"Status","code":410,"reason":"Expired"})";

class ReflectorTest : public testing::Test, public Reflector::Sink {
 protected:
  void on_object(FileChange change) override {
    changes_.push_back((change.state == FileChange::State::kGone ? "-" : "+") + change.file);
    last_text_ = change.text;
  }
  void on_progress() override {}
  void on_back() override { ++backs_; }

  Reflector& start(std::string_view kind = "Service") {
    reflector_ = std::make_unique<Reflector>(
        resource(kind), Reflector::Seams{rest_, clock_, [] { return 0.5; }, "n1"}, *this);
    reflector_->start();
    return *reflector_;
  }
  // To a server without streaming lists, listed with a and b at 10, watching.
  Reflector& start_watching(std::string_view kind = "Service") {
    Reflector& reflector = start(kind);
    rest_.answer("sendInitialEvents", 422, "{}");
    rest_.answer("limit=500", 200, page(10, {object("a", 1), object("b", 2)}));
    rest_.open("resourceVersion=10");
    taken();
    return reflector;
  }
  void advance(std::chrono::nanoseconds by) {
    clock_.advance(by);
    reflector_->wake();
  }
  void advance_to_wake() {
    ASSERT_TRUE(reflector_->next_wake());
    advance(*reflector_->next_wake() - clock_.now());
  }
  std::vector<std::string> taken() { return std::exchange(changes_, {}); }
  uint64_t errors(Reason reason) { return reflector_->state().errors[reason]; }

  test::FakeClock clock_;
  test::FakeRest rest_;
  std::vector<std::string> changes_;
  std::string last_text_;
  size_t backs_ = 0;
  std::unique_ptr<Reflector> reflector_;
};

TEST_F(ReflectorTest, AStreamingListGoesOverIntoItsOwnWatch) {
  Reflector& reflector = start();
  const auto call = rest_.call("services");
  EXPECT_THAT(call->target, HasSubstr("sendInitialEvents=true"));
  EXPECT_THAT(call->target, Not(HasSubstr("resourceVersion=")));
  rest_.open("services");
  rest_.line("services", event("ADDED", object("a", 1)));
  rest_.line("services", event("ADDED", object("b", 2)));
  EXPECT_FALSE(reflector.state().is_listed);
  rest_.line("services", bookmark(10, true));
  EXPECT_TRUE(reflector.state().is_listed);
  EXPECT_TRUE(reflector.state().is_watching);
  EXPECT_EQ(reflector.state().objects, 2u);
  EXPECT_THAT(taken(), ElementsAre("+Service shop/a", "+Service shop/b"));
  rest_.line("services", event("MODIFIED", object("a", 11, "2")));
  rest_.line("services", event("DELETED", object("b", 12)));
  EXPECT_THAT(taken(), ElementsAre("+Service shop/a", "-Service shop/b"));
  EXPECT_EQ(rest_.calls_made(), 1u);
}

TEST_F(ReflectorTest, AStreamThatBreaksBeforeItsListIsCompleteListsAgain) {
  start();
  rest_.open("services");
  rest_.line("services", event("ADDED", object("a", 1)));
  rest_.fail("services");
  EXPECT_FALSE(reflector_->state().is_listed);
  advance_to_wake();
  rest_.open("sendInitialEvents");
  rest_.line("services", event("ADDED", object("c", 3)));
  rest_.line("services", bookmark(10, true));
  EXPECT_THAT(taken(), ElementsAre("+Service shop/a", "+Service shop/c", "-Service shop/a"));
}

TEST_F(ReflectorTest, PagesAreListedWhereStreamingListsAreRefused) {
  Reflector& reflector = start();
  rest_.answer("sendInitialEvents", 422, R"({"reason":"Invalid"})");
  rest_.answer("services?limit=500", 200, page(10, {object("a", 1)}, "more"));
  EXPECT_FALSE(reflector.state().is_listed);
  rest_.answer("services?limit=500&continue=more", 200, page(10, {object("b", 2)}));
  EXPECT_THAT(taken(), ElementsAre("+Service shop/a", "+Service shop/b"));
  EXPECT_TRUE(reflector.state().is_listed);
  EXPECT_TRUE(rest_.is_called("watch=true&allowWatchBookmarks=true"));
  EXPECT_THAT(rest_.call("services")->target, HasSubstr("resourceVersion=10"));
  EXPECT_THAT(reflector.state().errors, IsEmpty());
}

TEST_F(ReflectorTest, AServerThatDoesNotKnowStreamingListsIsFoundOut) {
  for (const bool says_bookmark : {true, false}) {
    start();
    rest_.open("sendInitialEvents");
    rest_.line("services", event("ADDED", object("a", 1)));
    if (says_bookmark)
      rest_.line("services", bookmark(10));
    else
      advance(seconds(20));
    EXPECT_TRUE(rest_.is_called("services?limit=500")) << says_bookmark;
    reflector_.reset();
  }
}

TEST_F(ReflectorTest, AWatchThatEndsGoesOnFromTheLastBookmark) {
  start_watching();
  rest_.line("services", bookmark(77));
  clock_.advance(seconds(300));
  rest_.answer("services", 200, "");
  EXPECT_THAT(rest_.call("services")->target, HasSubstr("resourceVersion=77"));
  EXPECT_EQ(reflector_->state().watch_restarts, 1u);
  EXPECT_EQ(reflector_->state().relists, 0u);
  EXPECT_THAT(reflector_->state().errors, IsEmpty());
}

TEST_F(ReflectorTest, AWatchThatEndsAtOnceWaits) {
  start_watching();
  rest_.answer("services", 200, "");
  EXPECT_FALSE(rest_.is_called("services"));
  advance(milliseconds(800));
  EXPECT_TRUE(rest_.is_called("resourceVersion=10"));
}

TEST_F(ReflectorTest, AServerAwayForMinutesTakesNothingAndIsAskedEverLessOften) {
  start_watching();
  rest_.fail("services");
  const auto since = clock_.now();
  std::vector<milliseconds> delays;
  for (int i = 0; i < 12; ++i) {
    delays.push_back(
        std::chrono::duration_cast<milliseconds>(*reflector_->next_wake() - clock_.now()));
    advance_to_wake();
    rest_.fail("services");
  }
  EXPECT_EQ(delays.front(), milliseconds(800));
  EXPECT_EQ(delays.back(), milliseconds(30000));
  EXPECT_THAT(taken(), IsEmpty());
  EXPECT_EQ(reflector_->state().failing_since, since);
  EXPECT_EQ(reflector_->state().objects, 2u);
  EXPECT_EQ(errors(Reason::cannot_reach), 13u);
  advance_to_wake();
  rest_.open("resourceVersion=10");  // not a list: nothing was lost
  EXPECT_FALSE(reflector_->state().failing_since);
}

// After a minute without API server the kinds came back up to 90 s later: each waited for the
// server by itself, and once more, as long, before the list that a version gone meanwhile asks for.
TEST_F(ReflectorTest, AfterAnOutageAVersionThatIsGoneIsListedAtOnceAndOnlyTheFirstTime) {
  start_watching();
  for (int i = 0; i < 8; ++i) {
    rest_.fail("services");
    advance_to_wake();
  }
  rest_.open("resourceVersion=10");
  EXPECT_EQ(backs_, 1u);
  rest_.line("services", event("ERROR", kExpired));
  EXPECT_EQ(*reflector_->next_wake() - clock_.now(), milliseconds(800));
  for (const int delay : {1600, 3200}) {
    advance_to_wake();
    rest_.answer("services?limit=500", 200, page(50, {object("a", 1)}));
    rest_.open("resourceVersion=50");
    rest_.line("services", event("ERROR", kExpired));
    EXPECT_EQ(*reflector_->next_wake() - clock_.now(), milliseconds(delay));
  }
  EXPECT_EQ(backs_, 1u);
}

// CI, 2026-11-29: the storage of one kind was still starting when the server was back; its 429
// waited as long as the outage had taught, the list after it as long again: over a minute.
TEST_F(ReflectorTest, AfterAnOutageAServerThatIsNotReadyYetIsAskedAgainSoon) {
  start_watching();
  for (int i = 0; i < 8; ++i) {
    rest_.fail("services");
    advance_to_wake();
  }
  rest_.answer("services", 429, "", seconds(1));
  EXPECT_EQ(*reflector_->next_wake() - clock_.now(), milliseconds(1500));
  advance_to_wake();
  rest_.open("resourceVersion=10");
  rest_.line("services", event("ERROR", kExpired));
  EXPECT_EQ(*reflector_->next_wake() - clock_.now(), milliseconds(1600));
}

TEST_F(ReflectorTest, OnlyWhatWaitsBecauseNobodyAnsweredHurries) {
  Reflector& reflector = start_watching();
  rest_.answer("services", 429, "", seconds(30));
  const auto asked = *reflector.next_wake();
  reflector.hurry();
  EXPECT_EQ(*reflector.next_wake(), asked);
  advance_to_wake();
  for (int i = 0; i < 8; ++i) {
    rest_.fail("services");
    advance_to_wake();
  }
  rest_.fail("services");
  reflector.hurry();
  EXPECT_EQ(*reflector.next_wake() - clock_.now(), milliseconds(500));
}

TEST_F(ReflectorTest, AWatchThatHeldForgetsEarlierFailures) {
  start_watching();
  for (int i = 0; i < 5; ++i) {
    rest_.fail("services");
    advance_to_wake();
  }
  rest_.open("services");
  clock_.advance(seconds(5));
  rest_.fail("services");
  EXPECT_EQ(*reflector_->next_wake() - clock_.now(), milliseconds(800));
}

TEST_F(ReflectorTest, AVersionGoneInMidWatchRelistsWhileTheOldStateServes) {
  start_watching();
  rest_.line("services", event("ERROR", kExpired));
  EXPECT_FALSE(rest_.is_called("services"));
  EXPECT_EQ(reflector_->state().objects, 2u);
  advance(milliseconds(800));
  rest_.answer("services?limit=500", 200, page(50, {object("a", 1), object("c", 40)}));
  // a is unchanged, b was deleted meanwhile, c is new.
  EXPECT_THAT(taken(), ElementsAre("+Service shop/c", "-Service shop/b"));
  EXPECT_EQ(reflector_->state().relists, 1u);
  EXPECT_EQ(errors(Reason::api_version_expired), 1u);
  EXPECT_TRUE(rest_.is_called("resourceVersion=50"));
}

TEST_F(ReflectorTest, AVersionGoneByStatusRelistsToo) {
  start_watching();
  rest_.answer("services", 410, kExpired);
  advance(milliseconds(800));
  EXPECT_TRUE(rest_.is_called("services?limit=500"));
}

TEST_F(ReflectorTest, ARelistThatBringsTheSameChangesNothing) {
  start_watching();
  rest_.line("services", event("ERROR", kExpired));
  advance_to_wake();
  rest_.answer("services?limit=500", 200, page(60, {object("b", 55), object("a", 56)}));
  EXPECT_THAT(taken(), IsEmpty());
}

TEST_F(ReflectorTest, AContinuationThatExpiresStartsOverAndThenAsksForAllAtOnce) {
  start();
  rest_.answer("sendInitialEvents", 400, "");
  rest_.answer("limit=500", 200, page(10, {object("a", 1)}, "more"));
  rest_.answer("continue=more", 410, kExpired);
  advance_to_wake();
  rest_.answer("limit=500", 200, page(11, {object("a", 1)}, "again"));
  rest_.answer("continue=again", 410, kExpired);
  advance_to_wake();
  rest_.answer("limit=0", 200, page(12, {object("a", 1), object("b", 2)}));
  EXPECT_TRUE(reflector_->state().is_listed);
  EXPECT_THAT(taken(), ElementsAre("+Service shop/a", "+Service shop/b"));
}

TEST_F(ReflectorTest, RetryAfterIsHonoured) {
  start_watching();
  rest_.answer("services", 429, "", seconds(20));
  EXPECT_EQ(*reflector_->next_wake() - clock_.now(), milliseconds(20500));
  EXPECT_EQ(errors(Reason::api_overloaded), 1u);
  advance(seconds(20));
  EXPECT_FALSE(rest_.is_called("services"));
  advance(milliseconds(500));
  EXPECT_TRUE(rest_.is_called("resourceVersion=10"));
}

TEST_F(ReflectorTest, APageThatIsTooLargeIsAskedForInHalf) {
  start();
  rest_.answer("sendInitialEvents", 400, "");
  rest_.fail("limit=500", Reason::server_answer_too_large);
  advance_to_wake();
  EXPECT_TRUE(rest_.is_called("limit=250"));
}

TEST_F(ReflectorTest, AMissingKindIsNoErrorAndIsPickedUpWhenItAppears) {
  start("HTTPRoute");
  rest_.answer("/v1/httproutes", 404, "404 page not found");
  EXPECT_FALSE(reflector_->state().is_listed);
  rest_.answer("/v1beta1/httproutes", 404, "404 page not found");
  EXPECT_TRUE(reflector_->state().is_listed);
  EXPECT_TRUE(reflector_->state().is_missing);
  EXPECT_THAT(reflector_->state().errors, IsEmpty());
  EXPECT_FALSE(reflector_->state().failing_since);
  EXPECT_EQ(*reflector_->next_wake() - clock_.now(), seconds(30));
  advance_to_wake();
  rest_.open("/v1/httproutes");
  rest_.line("httproutes", event("ADDED", object("pay", 3)));
  rest_.line("httproutes", bookmark(4, true));
  EXPECT_THAT(taken(), ElementsAre("+HTTPRoute shop/pay"));
  EXPECT_FALSE(reflector_->state().is_missing);
}

TEST_F(ReflectorTest, AKindThatWasThereIsNotBelievedMissingAtOnce) {
  start_watching("AuthorizationPolicy");
  rest_.answer("/v1/authorizationpolicies", 404, "");
  rest_.answer("/v1beta1/authorizationpolicies", 404, "");
  EXPECT_THAT(taken(), IsEmpty());
  advance_to_wake();
  rest_.answer("/v1/authorizationpolicies", 404, "");
  rest_.answer("/v1beta1/authorizationpolicies", 404, "");
  EXPECT_THAT(taken(), testing::UnorderedElementsAre("-AuthorizationPolicy shop/a",
                                                     "-AuthorizationPolicy shop/b"));
}

TEST_F(ReflectorTest, ABuiltInKindCannotBeMissing) {
  start();
  rest_.answer("services", 404, "");
  EXPECT_FALSE(reflector_->state().is_listed);
  EXPECT_EQ(errors(Reason::api_kind_missing), 1u);
}

TEST_F(ReflectorTest, ForbiddenIsSaidAndTriedAgain) {
  start();
  rest_.answer("services", 403, R"({"reason":"Forbidden","message":"no list for you"})");
  EXPECT_THAT(reflector_->state().error->message(), HasSubstr("no list for you"));
  advance_to_wake();
  EXPECT_TRUE(rest_.is_called("services"));
}

// A cluster whose administrator owns the roles kept every agent of a new release from being ready.
// One refusal is not believed: a server that starts may not know its roles yet.
TEST_F(ReflectorTest, AKindThatOnlyAllowsMoreIsDoneWithoutWhereItMayNotBeRead) {
  for (const std::string_view kind : {"AuthorizationPolicy", "ReferenceGrant"}) {
    start(kind);
    for (int refusals = 1; refusals <= 5; refusals++) {
      EXPECT_FALSE(reflector_->state().is_listed) << kind << refusals;
      if (refusals > 1) advance_to_wake();
      rest_.answer("/v1/", 403, R"({"reason":"Forbidden","message":"no list for you"})");
    }
    EXPECT_EQ(reflector_->state().is_listed, kind == "ReferenceGrant") << kind;
    EXPECT_TRUE(reflector_->state().failing_since) << kind;
  }
  advance_to_wake();
  rest_.open("/v1/referencegrants");
  rest_.line("referencegrants", event("ADDED", object("a", 3)));
  rest_.line("referencegrants", bookmark(4, true));
  EXPECT_THAT(taken(), ElementsAre("+ReferenceGrant shop/a"));
  EXPECT_FALSE(reflector_->state().failing_since);
  EXPECT_EQ(reflector_->state().relists, 0u);
}

TEST_F(ReflectorTest, WhatMayNotBeReadAnyMoreAllowsNothing) {
  start_watching("ReferenceGrant");
  for (int refusals = 1; refusals <= 5; refusals++) {
    EXPECT_THAT(taken(), IsEmpty()) << refusals;
    if (refusals > 1) advance_to_wake();
    rest_.answer("/v1/referencegrants", 403, R"({"reason":"Forbidden","message":"no"})");
  }
  EXPECT_THAT(taken(),
              testing::UnorderedElementsAre("-ReferenceGrant shop/a", "-ReferenceGrant shop/b"));
}

TEST_F(ReflectorTest, AnEventThatCannotBeReadIsAnsweredByAList) {
  start_watching();
  rest_.line("services", R"({"type":"MODIFIED","object":{"meta)");
  EXPECT_EQ(errors(Reason::api_answer_malformed), 1u);
  advance_to_wake();
  EXPECT_TRUE(rest_.is_called("services?limit=500"));
}

TEST_F(ReflectorTest, AServerThatTakesACallAndSaysNothingIsGivenUp) {
  start();
  advance(seconds(60));
  EXPECT_FALSE(rest_.is_called("services"));
  EXPECT_EQ(errors(Reason::server_silent), 1u);
}

TEST_F(ReflectorTest, OnlyTheOwnNodesPodsAreAskedFor) {
  start("Pod");
  EXPECT_TRUE(rest_.is_called("fieldSelector=spec.nodeName%3Dn1"));
}

TEST_F(ReflectorTest, StoppedIsStopped) {
  start_watching().stop();
  EXPECT_FALSE(rest_.is_called("services"));
  EXPECT_FALSE(reflector_->next_wake());
}

}  // namespace
}  // namespace keelson::source
