#include "source/kube/kube_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/fake_rest.h"

namespace keelson::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kListEnd =
    R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9",)"
    R"("annotations":{"k8s.io/initial-events-end":"true"}}}})";

std::string added(const std::string& name, int version) {
  return R"({"type":"ADDED","object":{"metadata":{"name":")" + name +
         R"(","namespace":"shop","resourceVersion":")" + std::to_string(version) + R"("},"v":)" +
         std::to_string(version) + "}}";
}

class KubeSourceTest : public testing::Test {
 protected:
  KubeSourceTest() : source_({rest_, clock_, [] { return 0.5; }, "n1"}, [this] { ++schedules_; }) {}

  void start() {
    ASSERT_TRUE(source_.start([this](std::vector<FileChange> changes) {
      std::vector<std::string> names;
      for (const FileChange& change : changes)
        names.push_back((change.state == FileChange::State::kGone ? "-" : "+") + change.file);
      deliveries_.push_back(std::move(names));
    }));
  }
  void list_all_but(std::string_view left_out) {
    for (const kube::Resource& each : kube::followed_resources()) {
      if (each.kind == left_out) continue;
      const std::string part = "/" + std::string(each.plural) + "?";
      rest_.open(part);
      rest_.line(part, kListEnd);
    }
  }
  void advance(std::chrono::nanoseconds by) {
    clock_.advance(by);
    source_.wake();
  }
  std::vector<std::vector<std::string>> taken() { return std::exchange(deliveries_, {}); }

  test::FakeClock clock_;
  test::FakeRest rest_;
  size_t schedules_ = 0;
  std::vector<std::vector<std::string>> deliveries_;
  KubeSource source_;
};

TEST_F(KubeSourceTest, NothingIsDeliveredUntilEveryKindIsListed) {
  start();
  rest_.open("/services?");
  rest_.line("/services?", added("pay", 2));
  list_all_but("Pod");
  advance(seconds(1));
  EXPECT_THAT(taken(), IsEmpty());
  EXPECT_FALSE(source_.state().is_listed);
  rest_.open("/pods?");
  rest_.line("/pods?", added("web", 3));
  rest_.line("/pods?", kListEnd);
  EXPECT_THAT(taken(), IsEmpty());  // never from within a callback of the client
  ASSERT_EQ(source_.next_wake(), clock_.now());
  source_.wake();
  EXPECT_THAT(taken(), ElementsAre(ElementsAre("+Pod shop/web", "+Service shop/pay")));
  EXPECT_TRUE(source_.state().is_listed);
}

TEST_F(KubeSourceTest, AnEmptyClusterIsDeliveredOnce) {
  start();
  list_all_but("");
  source_.wake();
  EXPECT_THAT(taken(), ElementsAre(IsEmpty()));
  advance(seconds(1));
  EXPECT_THAT(taken(), IsEmpty());
}

TEST_F(KubeSourceTest, ChangesThatComeTogetherAreDeliveredTogetherWithinMilliseconds) {
  start();
  list_all_but("");
  source_.wake();
  taken();
  rest_.line("/endpointslices?", added("pay-x", 11));
  rest_.line("/services?", added("pay", 12));
  rest_.line("/endpointslices?", added("pay-x", 13));
  EXPECT_EQ(*source_.next_wake() - clock_.now(), milliseconds(5));
  advance(milliseconds(5));
  EXPECT_THAT(taken(), ElementsAre(ElementsAre("+EndpointSlice shop/pay-x", "+Service shop/pay")));
}

TEST_F(KubeSourceTest, AnAwayServerIsToldWithItsTimeAndTakesNothing) {
  start();
  list_all_but("");
  source_.wake();
  taken();
  EXPECT_FALSE(source_.state().away_since);
  rest_.fail("/pods?");
  EXPECT_FALSE(source_.state().away_since);  // the others are still connected
  clock_.advance(seconds(2));
  rest_.fail_all();
  ASSERT_TRUE(source_.state().away_since);
  EXPECT_EQ(*source_.state().away_since, clock_.now());
  EXPECT_EQ(source_.state().error->reason, Reason::cannot_reach);
  advance(seconds(3));
  rest_.open("/pods?");
  EXPECT_FALSE(source_.state().away_since);
  EXPECT_THAT(taken(), IsEmpty());
}

TEST_F(KubeSourceTest, TheFirstKindThatIsAnsweredBringsTheOthersBack) {
  start();
  list_all_but("");
  source_.wake();
  for (int i = 0; i < 8; ++i) {
    rest_.fail_all();
    advance(seconds(60));
  }
  rest_.fail("/services?");
  const auto calls = rest_.calls_made();
  rest_.open("/pods?");
  advance(seconds(1));
  EXPECT_EQ(rest_.calls_made(), calls + 1);
  EXPECT_TRUE(rest_.is_called("/services?"));
}

TEST_F(KubeSourceTest, AMissingKindDoesNotHideThatTheServerIsAway) {
  start();
  list_all_but("NodeState");
  rest_.answer("/nodestates?", 404, "");
  source_.wake();
  EXPECT_THAT(taken(), ElementsAre(IsEmpty()));
  rest_.fail_all();
  EXPECT_TRUE(source_.state().away_since);
}

TEST_F(KubeSourceTest, StopCancelsEverything) {
  start();
  source_.stop();
  EXPECT_FALSE(rest_.is_called(""));
  EXPECT_FALSE(source_.next_wake());
}

}  // namespace
}  // namespace keelson::source
