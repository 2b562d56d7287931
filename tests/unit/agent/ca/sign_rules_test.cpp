#include "ca/sign_rules.h"

#include <gtest/gtest.h>

namespace keelson::ca {
namespace {

using std::chrono::seconds;
using Phase = PodRecord::Phase;

const AgentAccount kAccount;
const WallTime kNow{std::chrono::hours(24 * 365 * 50)};
const Caller kCaller{"n1", "nu1", "keelson-agent-x", "au1"};

ReviewedToken good_token() {
  return {true,
          "",
          "system:serviceaccount:keelson-system:keelson-agent",
          {"keelson-ca"},
          {{"authentication.kubernetes.io/node-name", {"n1"}},
           {"authentication.kubernetes.io/node-uid", {"nu1"}},
           {"authentication.kubernetes.io/pod-name", {"keelson-agent-x"}},
           {"authentication.kubernetes.io/pod-uid", {"au1"}}}};
}

PodRecord cart_pod() {
  return {"shop", "cart-1", "u1", "n1", "cart", Phase::kRunning, false, false, std::nullopt};
}

template <class T>
Reason reason_of(const Result<T>& result) {
  return result ? Reason::none : result.error().reason;
}

TEST(JudgeToken, TakesTheNodeFromWhatTheApiServerVouchesFor) {
  const auto caller = judge_token(good_token(), kAccount);
  ASSERT_TRUE(caller) << caller.error().message();
  EXPECT_EQ(*caller, kCaller);
}

TEST(JudgeToken, RefusesEveryTokenThatIsNotANodeAgents) {
  using Change = std::function<void(ReviewedToken&)>;
  const auto without = [](const char* claim) {
    return [claim](ReviewedToken& token) {
      token.extra.erase(std::string("authentication.kubernetes.io/") + claim);
    };
  };
  const auto with = [](const char* claim, std::vector<std::string> values) {
    return [claim, values](ReviewedToken& token) {
      token.extra[std::string("authentication.kubernetes.io/") + claim] = values;
    };
  };
  const std::vector<std::pair<Change, Reason>> cases{
      {[](ReviewedToken& t) { t.authenticated = false; }, Reason::ca_token_refused},
      {[](ReviewedToken& t) { t = {}; }, Reason::ca_token_refused},
      {[](ReviewedToken& t) { t.audiences.clear(); }, Reason::ca_audience_refused},
      {[](ReviewedToken& t) { t.audiences = {"https://kubernetes.default.svc"}; },
       Reason::ca_audience_refused},
      {[](ReviewedToken& t) {
         t.audiences = {"keelson-ca2", "keelson"};
       },
       Reason::ca_audience_refused},
      {[](ReviewedToken& t) { t.username += "2"; }, Reason::ca_caller_refused},
      {[](ReviewedToken& t) { t.username = "system:serviceaccount:shop:keelson-agent"; },
       Reason::ca_caller_refused},
      {[](ReviewedToken& t) { t.username = "system:node:n1"; }, Reason::ca_caller_refused},
      {[](ReviewedToken& t) { t.username = "keelson-agent"; }, Reason::ca_caller_refused},
      {[](ReviewedToken& t) { t.extra.clear(); }, Reason::ca_node_unproven},
      {without("node-name"), Reason::ca_node_unproven},
      {without("pod-name"), Reason::ca_node_unproven},
      {without("pod-uid"), Reason::ca_node_unproven},
      {with("node-name", {"n1", "n2"}), Reason::ca_node_unproven},
      {with("node-name", {""}), Reason::ca_node_unproven},
      {with("node-name", {"n1,metadata.name=x"}), Reason::ca_node_unproven},
      {with("node-name", {"N1"}), Reason::ca_node_unproven},
      {with("node-name", {std::string(254, 'a')}), Reason::ca_node_unproven},
      {with("node-uid", {"a b"}), Reason::ca_node_unproven},
      {with("pod-uid", {"au1", "au2"}), Reason::ca_node_unproven},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    ReviewedToken token = good_token();
    cases[i].first(token);
    EXPECT_EQ(reason_of(judge_token(token, kAccount)), cases[i].second) << "case " << i;
  }
}

TEST(JudgeToken, TakesAnApiServerThatTellsNoNodeUid) {
  ReviewedToken token = good_token();
  token.extra.erase("authentication.kubernetes.io/node-uid");
  EXPECT_TRUE(judge_token(token, kAccount));
}

TEST(JudgeCaller, WantsTheAgentsOwnPodOnTheNodeThatTheTokenNames) {
  const PodRecord agent{"keelson-system", "keelson-agent-x", "au1", "n1",
                        "keelson-agent",  Phase::kRunning,   true,  false,
                        std::nullopt};
  EXPECT_TRUE(judge_caller(kCaller, kAccount, {cart_pod(), agent}));
  using Change = std::function<void(PodRecord&)>;
  for (const Change& change : std::vector<Change>{
           [](PodRecord& pod) { pod.uid = "au2"; },  // created again: another pod
           [](PodRecord& pod) { pod.name = "keelson-agent-y"; },
           [](PodRecord& pod) { pod.ns = "shop"; }, [](PodRecord& pod) { pod.node = "n2"; },
           [](PodRecord& pod) { pod.service_account = "default"; },
           [](PodRecord& pod) { pod.is_mirror = true; },
           [](PodRecord& pod) { pod.phase = Phase::kFailed; },  // evicted
       }) {
    PodRecord other = agent;
    change(other);
    EXPECT_EQ(reason_of(judge_caller(kCaller, kAccount, {other})), Reason::ca_caller_gone);
  }
  EXPECT_EQ(reason_of(judge_caller(kCaller, kAccount, {})), Reason::ca_caller_gone);
}

TEST(FindLivePod, APodThatStartsOrRunsOrEndsInItsGracePeriodCounts) {
  PodRecord pod = cart_pod();
  for (const Phase phase : {Phase::kPending, Phase::kRunning}) {
    pod.phase = phase;
    const auto found = find_live_pod(kCaller, "shop", "cart", {pod}, kNow);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->uid, "u1");
  }
  pod.ends_at = kNow + seconds(1);
  EXPECT_TRUE(find_live_pod(kCaller, "shop", "cart", {pod}, kNow));
}

TEST(FindLivePod, NothingElseDoes) {
  struct Case {
    std::function<void(PodRecord&)> change;
    Reason reason;
  };
  const std::vector<Case> cases{
      {[](PodRecord& pod) { pod.node = "n2"; }, Reason::ca_no_live_pod},
      {[](PodRecord& pod) { pod.node = ""; }, Reason::ca_no_live_pod},
      {[](PodRecord& pod) { pod.ns = "shop2"; }, Reason::ca_no_live_pod},
      {[](PodRecord& pod) { pod.service_account = "till"; }, Reason::ca_no_live_pod},
      {[](PodRecord& pod) { pod.service_account = ""; }, Reason::ca_no_live_pod},
      {[](PodRecord& pod) { pod.uid = ""; }, Reason::ca_no_live_pod},
      {[](PodRecord& pod) { pod.is_mirror = true; }, Reason::ca_no_live_pod},
      {[](PodRecord& pod) { pod.host_network = true; }, Reason::host_network},
      {[](PodRecord& pod) { pod.phase = Phase::kSucceeded; }, Reason::ca_pod_terminal},
      {[](PodRecord& pod) { pod.phase = Phase::kFailed; }, Reason::ca_pod_terminal},
      {[](PodRecord& pod) { pod.phase = Phase::kUnknown; }, Reason::ca_pod_terminal},
      {[](PodRecord& pod) { pod.ends_at = kNow; }, Reason::ca_pod_terminal},
      {[](PodRecord& pod) { pod.ends_at = kNow - seconds(1); }, Reason::ca_pod_terminal},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    PodRecord pod = cart_pod();
    cases[i].change(pod);
    EXPECT_EQ(reason_of(find_live_pod(kCaller, "shop", "cart", {pod}, kNow)), cases[i].reason)
        << "case " << i;
  }
}

TEST(FindLivePod, OneLivePodAmongOthersIsEnoughAndTheNearestMissIsNamed) {
  PodRecord over = cart_pod(), host = cart_pod(), live = cart_pod();
  over.phase = Phase::kFailed;
  host.host_network = true;
  live.uid = "u9";
  const auto found = find_live_pod(kCaller, "shop", "cart", {over, host, live}, kNow);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->uid, "u9");
  EXPECT_EQ(reason_of(find_live_pod(kCaller, "shop", "cart", {host, over}, kNow)),
            Reason::host_network);
}

}  // namespace
}  // namespace keelson::ca
