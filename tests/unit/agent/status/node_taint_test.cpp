#include "status/node_taint.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/fake_clock.h"
#include "support/fake_rest.h"

namespace keelson::status {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string node(const std::string& taints) {
  return R"({"kind":"Node","metadata":{"name":"n1"},"spec":{"taints":)" + taints + "}}";
}
const std::string kOther = R"({"key":"a","effect":"NoSchedule"})";
const std::string kOurs = R"({"key":"keelson.dev/agent-not-ready","effect":"NoSchedule"})";

TEST(TaintPatch, TestsAndRemovesExactlyOurs) {
  EXPECT_EQ(json::parse(*taint_patch(node("[" + kOther + "," + kOurs + "]"))),
            json::parse(R"([{"op":"test","path":"/spec/taints/1","value":)" + kOurs +
                        R"(},{"op":"remove","path":"/spec/taints/1"}])"));
}

TEST(TaintPatch, OfSeveralTheLaterGoesFirst) {
  const std::string evicting = R"({"key":"keelson.dev/agent-not-ready","effect":"NoExecute"})";
  const json patch =
      json::parse(*taint_patch(node("[" + kOurs + "," + kOther + "," + evicting + "]")));
  ASSERT_EQ(patch.size(), 4u);
  EXPECT_EQ(patch[1]["path"], "/spec/taints/2");
  EXPECT_EQ(patch[3]["path"], "/spec/taints/0");
}

TEST(TaintPatch, ANodeWithoutItNeedsNone) {
  for (const std::string& text : {node("[" + kOther + "]"), node("[]"), node("null"),
                                  node(R"([1,{"key":7}])"), std::string(R"({"kind":"Node"})")})
    EXPECT_EQ(*taint_patch(text), "") << text;
}

TEST(TaintPatch, AnAnswerThatIsNoNodeIsAnError) {
  for (const char* text : {"", "[]", "{}", R"({"kind":"Status"})"}) EXPECT_FALSE(taint_patch(text));
}

class NodeTaintTest : public testing::Test {
 protected:
  void run(std::chrono::milliseconds limit = 0ms) {
    const MonotonicTime end = clock_.now() + limit;
    if (const auto next = taint_.next_wake(); next && *next <= end) {
      clock_.advance(std::max<MonotonicTime::duration>(*next - clock_.now(), 0ns));
      taint_.wake();
    }
  }

  test::FakeRest rest_;
  test::FakeClock clock_;
  NodeTaint taint_{"n1", {rest_, clock_, [] { return 0.5; }, [] {}}};
};

TEST_F(NodeTaintTest, NothingIsAskedBeforeTheAgentIsReady) {
  run(1h);
  taint_.set_ready(false);
  run(1h);
  EXPECT_EQ(rest_.calls_made(), 0u);
}

TEST_F(NodeTaintTest, AReadyAgentTakesItOffOnce) {
  taint_.set_ready(true);
  run();
  EXPECT_EQ(rest_.call("nodes")->target, "/api/v1/nodes/n1");
  rest_.answer("nodes", 200, node("[" + kOurs + "]"));
  const auto patch = rest_.call("nodes");
  EXPECT_EQ(patch->method, "PATCH");
  EXPECT_EQ(patch->target, "/api/v1/nodes/n1?fieldManager=keelson-agent");
  EXPECT_EQ(patch->content_type, "application/json-patch+json");
  rest_.answer("nodes", 200, "{}");
  taint_.set_ready(true);
  run(1h);
  EXPECT_EQ(rest_.calls_made(), 2u);
}

TEST_F(NodeTaintTest, AnAgentThatBecomesReadyAgainLooksAgain) {
  taint_.set_ready(true);
  run();
  rest_.answer("nodes", 200, node("[]"));
  EXPECT_FALSE(rest_.is_called("nodes"));
  taint_.set_ready(false);
  taint_.set_ready(true);
  run();
  EXPECT_TRUE(rest_.is_called("nodes"));
}

TEST_F(NodeTaintTest, AnAgentThatIsReadyNoMoreLeavesItAlone) {
  taint_.set_ready(true);
  run();
  taint_.set_ready(false);
  EXPECT_FALSE(rest_.is_called("nodes")) << "cancelled";
  run(1h);
  EXPECT_EQ(rest_.calls_made(), 1u);
}

TEST_F(NodeTaintTest, AListThatChangedMeanwhileIsReadAgain) {
  taint_.set_ready(true);
  run();
  rest_.answer("nodes", 200, node("[" + kOurs + "]"));
  rest_.answer("nodes", 422, R"({"kind":"Status","reason":"Invalid"})");
  EXPECT_TRUE(taint_.error());
  run(1min);
  rest_.answer("nodes", 200, node("[" + kOther + "," + kOurs + "]"));
  EXPECT_THAT(rest_.call("nodes")->body, testing::HasSubstr("/spec/taints/1"));
  rest_.answer("nodes", 200, "{}");
  EXPECT_FALSE(taint_.error());
}

TEST_F(NodeTaintTest, AForbiddenNodeIsTroubleAndTriedAgain) {
  taint_.set_ready(true);
  run();
  rest_.answer("nodes", 403, R"({"kind":"Status","reason":"Forbidden"})");
  EXPECT_EQ(taint_.error()->reason, Reason::api_forbidden);
  run(1min);
  EXPECT_TRUE(rest_.is_called("nodes"));
}

}  // namespace
}  // namespace keelson::status
