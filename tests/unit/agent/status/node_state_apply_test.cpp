#include "status/node_state_apply.h"

#include <gtest/gtest.h>

#include "model/node_state_yaml.h"
#include "support/fake_clock.h"
#include "support/fake_rest.h"

namespace keelson::status {
namespace {

using namespace std::chrono_literals;

model::NodeState state_with(model::PodState pod_state) {
  model::NodeState state;
  state.meta.key = {model::Kind::kNodeState, "", "node-a"};
  state.pods.push_back({"6f1c", "shop", "web-1", "web", {}, pod_state});
  return state;
}

constexpr const char* kNodeUid = "7c1-4";

std::string text_of(model::PodState pod_state) {
  return model::to_yaml(state_with(pod_state), kNodeUid);
}

class NodeStateApplyTest : public ::testing::Test {
 protected:
  void write(model::PodState pod_state) { EXPECT_TRUE(apply_.write(state_with(pod_state))); }
  std::string body() { return rest_.call("nodestates")->body; }
  void take() { rest_.answer("nodestates", 200, "{}"); }
  void wait(std::chrono::milliseconds time) {
    clock_.advance(time);
    apply_.wake();
  }

  test::FakeRest rest_;
  test::FakeClock clock_;
  size_t scheduled_ = 0;
  NodeStateApply apply_{
      "node-a", kNodeUid, {rest_, clock_, [] { return 0.5; }, [this] { scheduled_++; }}};
};

TEST_F(NodeStateApplyTest, AppliesWithItsOwnFieldManager) {
  write(model::PodState::kJoining);
  const auto call = rest_.call("nodestates");
  EXPECT_EQ(call->method, "PATCH");
  EXPECT_EQ(call->target,
            "/apis/keelson.dev/v1alpha1/nodestates/node-a?fieldManager=keelson-agent&force=true");
  EXPECT_EQ(call->content_type, "application/apply-patch+yaml");
  EXPECT_EQ(call->body, text_of(model::PodState::kJoining));
  EXPECT_FALSE(apply_.is_current());
  take();
  EXPECT_TRUE(apply_.is_current());
}

// Else what a node that is gone said of its pods would be believed for ever.
TEST_F(NodeStateApplyTest, WhatIsAppliedIsOwnedByTheNode) {
  write(model::PodState::kReady);
  EXPECT_NE(body().find("  ownerReferences: [{apiVersion: v1, kind: Node, name: \"node-a\", "
                        "uid: \"7c1-4\"}]\n"),
            std::string::npos)
      << body();
  EXPECT_EQ(model::to_yaml(state_with(model::PodState::kReady)).find("ownerReferences"),
            std::string::npos)
      << "unknown: nobody owns it";
}

TEST_F(NodeStateApplyTest, TheSameStateIsAppliedOnce) {
  write(model::PodState::kReady);
  take();
  EXPECT_FALSE(apply_.write(state_with(model::PodState::kReady)).value());
  EXPECT_EQ(rest_.calls_made(), 1u);
}

TEST_F(NodeStateApplyTest, OneCallAtATimeAndTheNewestStateLast) {
  write(model::PodState::kJoining);
  write(model::PodState::kReady);
  write(model::PodState::kLeaving);
  EXPECT_EQ(rest_.calls_made(), 1u);
  take();
  EXPECT_EQ(body(), text_of(model::PodState::kLeaving));
  EXPECT_FALSE(apply_.is_current());
  take();
  EXPECT_EQ(rest_.calls_made(), 2u);
  EXPECT_TRUE(apply_.is_current());
}

TEST_F(NodeStateApplyTest, WhileTheServerIsAwayItTriesAgainLaterAndSaysWhy) {
  write(model::PodState::kReady);
  rest_.fail("nodestates");
  ASSERT_TRUE(apply_.error());
  EXPECT_EQ(apply_.error()->reason, Reason::cannot_reach);
  EXPECT_EQ(scheduled_, 1u);
  ASSERT_TRUE(apply_.next_wake());
  write(model::PodState::kLeaving);  // waits as well
  wait(1ms);
  EXPECT_EQ(rest_.calls_made(), 1u);
  wait(std::chrono::ceil<std::chrono::milliseconds>(*apply_.next_wake() - clock_.now()));
  EXPECT_EQ(body(), text_of(model::PodState::kLeaving));
  take();
  EXPECT_FALSE(apply_.error());
  EXPECT_FALSE(apply_.next_wake());
}

TEST_F(NodeStateApplyTest, ComesBackWhenTheServerAsks) {
  write(model::PodState::kReady);
  rest_.answer("nodestates", 429, R"({"kind":"Status","reason":"TooManyRequests"})", 7s);
  EXPECT_EQ(apply_.error()->reason, Reason::api_overloaded);
  wait(6999ms);
  EXPECT_EQ(rest_.calls_made(), 1u);
  wait(600ms);
  EXPECT_EQ(rest_.calls_made(), 2u);
  EXPECT_EQ(rest_.call("nodestates")->method, "PATCH");
}

TEST_F(NodeStateApplyTest, WhatSomebodyElseChangedIsPutBackAfterTheWatchHadTime) {
  write(model::PodState::kReady);
  take();
  const model::NodeState ours = state_with(model::PodState::kReady);
  apply_.on_seen(nullptr);  // the watch has not brought it yet
  ASSERT_TRUE(apply_.next_wake());
  apply_.on_seen(&ours);
  EXPECT_FALSE(apply_.next_wake());

  apply_.on_seen(nullptr);  // deleted
  wait(4999ms);
  apply_.on_seen(nullptr);
  EXPECT_EQ(rest_.calls_made(), 1u);
  wait(1ms);
  EXPECT_EQ(body(), model::to_yaml(ours)) << "without an owner, see below";
  take();
}

// A Node that was deleted and made anew has another uid, which the token of a running agent does
// not tell: the garbage collector would delete what is owned by the old one again and again.
TEST_F(NodeStateApplyTest, WhatWasDeletedHasNoOwnerWhenItIsPutBack) {
  write(model::PodState::kReady);
  take();
  const model::NodeState ours = state_with(model::PodState::kReady);
  apply_.on_seen(nullptr);  // the watch is slow: nobody has deleted anything
  wait(5000ms);
  EXPECT_EQ(body(), text_of(model::PodState::kReady));
  take();
  apply_.on_seen(&ours);
  apply_.on_seen(nullptr);
  wait(5000ms);
  EXPECT_EQ(body(), model::to_yaml(ours));
  take();
  write(model::PodState::kLeaving);
  EXPECT_EQ(body(), model::to_yaml(state_with(model::PodState::kLeaving))) << "and stays so";
}

TEST_F(NodeStateApplyTest, NothingIsPutBackBeforeAnythingWasWritten) {
  apply_.on_seen(nullptr);
  EXPECT_FALSE(apply_.next_wake());
  EXPECT_EQ(rest_.calls_made(), 0u);
}

}  // namespace
}  // namespace keelson::status
