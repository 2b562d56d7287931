#include "keelsonctl/cluster_uninstall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

namespace keelson::ctl {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> nodes_of(const std::vector<NodeLeft>& left) {
  std::vector<std::string> nodes;
  for (const NodeLeft& each : left)
    nodes.push_back(each.node + (each.why.empty() ? "" : ": " + each.why));
  return nodes;
}

TEST(NodesLeft, ANodeIsDoneWhenItsNodeStateSaysSo) {
  const std::vector<AgentPod> agents{{"a1", "n1", true, true}, {"a2", "n2", true, true}};
  EXPECT_THAT(nodes_of(nodes_left(agents, {}, "d-1")), ElementsAre("n1", "n2"));
  EXPECT_THAT(nodes_of(nodes_left(agents, {{"n1", "d-1"}, {"n2", ""}}, "d-1")), ElementsAre("n2"));
  EXPECT_THAT(nodes_left(agents, {{"n1", "d-1"}, {"n2", "d-1"}}, "d-1"), IsEmpty());
}

TEST(NodesLeft, AnAgentThatIsNotReadyIsWaitedForByName) {
  EXPECT_THAT(nodes_of(nodes_left({{"a1", "n1", true, false}}, {}, "d-1")),
              ElementsAre("n1: agent a1 is not ready"));
}

TEST(NodesLeft, AnAgentThatNeverStartedHasPutNothingOnItsNode) {
  EXPECT_THAT(nodes_left({{"a1", "n1", false, false}}, {}, "d-1"), IsEmpty());
  // Unless one before it has.
  EXPECT_THAT(nodes_of(nodes_left({{"a2", "n1", false, false}}, {{"n1", ""}}, "d-1")),
              ElementsAre("n1: agent a2 is not ready"));
}

TEST(NodesLeft, TwoAgentsOfOneNodeAreOneNode) {
  const std::vector<AgentPod> agents{{"old", "n1", true, true}, {"new", "n1", false, false}};
  EXPECT_EQ(nodes_left(agents, {{"n1", ""}}, "d-1").size(), 1u);
  EXPECT_THAT(nodes_left(agents, {{"n1", "d-1"}}, "d-1"), IsEmpty());
}

// What an agent left when agent.nodeSelector was narrowed gates the node's pods, and nobody else
// tells.
TEST(NodesLeft, ANodeThatLostItsAgentIsNamed) {
  EXPECT_THAT(nodes_of(nodes_left({}, {{"n1", ""}, {"n2", "d-1"}, {"n3", "d-0"}}, "d-1")),
              ElementsAre("n1: no agent runs there"));
}

// A cluster whose nodes do what the test says at each pause.
class FakeCluster final : public ClusterApi {
 public:
  Result<rest::Answer> ask(rest::Request request) override {
    const std::string call = request.method + " " + request.target;
    calls.push_back(call);
    if (failures > 0) {
      --failures;
      return fail(Reason::cannot_reach, ErrorSource::kUpstream, "away");
    }
    if (call.find("/daemonsets/") != std::string::npos) {
      if (daemon_set.empty()) return refused(404);
      return ok({{"metadata", {{"uid", daemon_set}}}});
    }
    if (call.starts_with("PATCH /api/v1/namespaces/mesh/serviceaccounts/keelson-agent")) {
      EXPECT_EQ(request.content_type, "application/merge-patch+json");
      if (is_forbidden) return refused(403);
      annotations = json::parse(request.body)["metadata"]["annotations"];
      return ok(json::object());
    }
    if (call.starts_with("GET /api/v1/namespaces/mesh/pods?labelSelector=")) return ok(pods());
    if (call.starts_with("GET /apis/keelson.dev/v1alpha1/nodestates?")) {
      EXPECT_THAT(request.accept, HasSubstr("as=PartialObjectMetadataList"));
      return ok(page(call));
    }
    if (call == "DELETE /apis/keelson.dev/v1alpha1/nodestates") {
      states.clear();
      return ok(json::object());
    }
    ADD_FAILURE() << "unexpected: " << call;
    return refused(404);
  }
  MonotonicTime now() const override { return MonotonicTime(time); }
  void pause(std::chrono::milliseconds span) override {
    time += span;
    ++pauses;
    if (on_pause) on_pause();
  }

  static Result<rest::Answer> ok(const json& body) { return rest::Answer{200, body.dump(), {}}; }
  static Result<rest::Answer> refused(int status) {
    return rest::Answer{status, R"({"kind":"Status","message":"no"})", {}};
  }
  json pods() const {
    json items = json::array({pod("another", "n9", "x")});
    for (const auto& [name, node] : agents) items.push_back(pod(name, node, daemon_set));
    return {{"metadata", json::object()}, {"items", items}};
  }
  static json pod(const std::string& name, const std::string& node, const std::string& owner) {
    json made;
    made["metadata"]["name"] = name;
    made["metadata"]["ownerReferences"][0] = {{"uid", owner}, {"controller", true}};
    made["spec"]["nodeName"] = node;
    made["status"]["phase"] = "Running";
    made["status"]["conditions"][0] = {{"type", "Ready"}, {"status", "True"}};
    return made;
  }
  // One a page.
  json page(const std::string& call) const {
    const size_t at = call.find("continue=");
    const size_t index = at == std::string::npos ? 0 : std::stoul(call.substr(at + 9));
    json items = json::array();
    if (index < states.size()) {
      const auto& [name, mark] = *std::next(states.begin(), static_cast<long>(index));
      items.push_back({{"metadata", {{"name", name}}}});
      if (!mark.empty()) items.back()["metadata"]["annotations"] = {{"keelson.dev/retired", mark}};
    }
    const bool has_more = index + 1 < states.size();
    return {{"metadata", {{"continue", has_more ? std::to_string(index + 1) : ""}}},
            {"items", items}};
  }

  std::string daemon_set = "d-1";
  std::map<std::string, std::string> agents{{"agent-a", "n1"}, {"agent-b", "n2"}};
  std::map<std::string, std::string> states{{"n1", ""}, {"n2", "d-0"}};
  bool is_forbidden = false;
  int failures = 0;
  std::function<void()> on_pause;
  json annotations;
  std::vector<std::string> calls;
  std::chrono::milliseconds time{1'000'000};
  int pauses = 0;
};

class ClusterUninstallTest : public testing::Test {
 protected:
  int run() { return uninstall_cluster(cluster_, {"mesh", std::chrono::seconds(60)}, terminal_); }
  FakeCluster cluster_;
  std::ostringstream out_, err_;
  Terminal terminal_{.out = out_, .err = err_, .checks_root = ""};
};

TEST_F(ClusterUninstallTest, AsksWaitsForEachNodeAndDeletesAllNodeStates) {
  cluster_.on_pause = [this] {
    EXPECT_EQ(cluster_.annotations["keelson.dev/uninstall"], "d-1");
    if (cluster_.pauses == 2) cluster_.states["n1"] = "d-1";
    if (cluster_.pauses == 4) cluster_.states["n2"] = "d-1";
  };
  EXPECT_EQ(run(), kExitOk) << err_.str();
  EXPECT_EQ(cluster_.pauses, 4);
  EXPECT_THAT(cluster_.states, IsEmpty());
  EXPECT_EQ(out_.str(),
            "asked the agents of DaemonSet keelson-agent (d-1) to take their nodes out of the "
            "mesh\n"
            "0 of 2 nodes are out of the mesh; waits for n1, n2\n"
            "1 of 2 nodes are out of the mesh; waits for n2\n"
            "2 of 2 nodes are out of the mesh\n"
            "nothing of Keelson is left on any node\n");
}

TEST_F(ClusterUninstallTest, AnAgentThatCameMeanwhileIsWaitedForToo) {
  cluster_.on_pause = [this] {
    if (cluster_.pauses == 2) {
      cluster_.states = {{"n1", "d-1"}, {"n2", "d-1"}};
      cluster_.agents["agent-c"] = "n3";
    }
    if (cluster_.pauses == 5) cluster_.states["n3"] = "d-1";
  };
  EXPECT_EQ(run(), kExitOk) << err_.str();
  EXPECT_EQ(cluster_.pauses, 5);
  EXPECT_THAT(out_.str(), HasSubstr("2 of 3 nodes are out of the mesh; waits for n3"));
}

TEST_F(ClusterUninstallTest, WhenTheTimeIsOverItNamesTheNodesAndTheWaysOut) {
  cluster_.on_pause = [this] { cluster_.states["n1"] = "d-1"; };
  EXPECT_EQ(run(), kExitFindings);
  EXPECT_LE(cluster_.pauses, 61);
  EXPECT_THAT(err_.str(), HasSubstr("after 60 s Keelson is still on 1 node: n2\n"));
  for (const char* way : {"helm uninstall again", "--no-hooks", "00-keelson.conflist",
                          "serviceaccount keelson-agent keelson.dev/uninstall-"})
    EXPECT_THAT(err_.str(), HasSubstr(way));
  EXPECT_EQ(cluster_.states.size(), 2u);
}

TEST_F(ClusterUninstallTest, AnApiServerThatIsAwayForAWhileIsAskedAgain) {
  cluster_.failures = 3;
  cluster_.on_pause = [this] { cluster_.states = {{"n1", "d-1"}, {"n2", "d-1"}}; };
  EXPECT_EQ(run(), kExitOk) << err_.str();
  EXPECT_EQ(cluster_.pauses, 3);
  EXPECT_EQ(err_.str(),
            "tried again: away: " + std::string(reason_text(Reason::cannot_reach)) + "\n");
}

TEST_F(ClusterUninstallTest, OneThatStaysAwayIsAnError) {
  cluster_.failures = 1000;
  EXPECT_EQ(run(), kExitCannotReach);
  EXPECT_THAT(err_.str(), HasSubstr("error: away"));
}

TEST_F(ClusterUninstallTest, WithoutTheRightItFailsAtOnce) {
  cluster_.is_forbidden = true;
  EXPECT_EQ(run(), kExitCannotReach);
  EXPECT_EQ(cluster_.pauses, 0);
  EXPECT_THAT(err_.str(), HasSubstr("rbac.create"));
}

TEST_F(ClusterUninstallTest, WithoutAnAgentThereIsNothingToDo) {
  cluster_.daemon_set.clear();
  EXPECT_EQ(run(), kExitOk);
  EXPECT_EQ(cluster_.calls.size(), 1u);
  EXPECT_THAT(out_.str(), HasSubstr("no DaemonSet keelson-agent in mesh"));
}

TEST_F(ClusterUninstallTest, WithoutAnyAgentsPodItIsDoneAtOnce) {
  cluster_.agents.clear();
  cluster_.states.clear();
  EXPECT_EQ(run(), kExitOk) << err_.str();
  EXPECT_EQ(cluster_.pauses, 0);
}

TEST_F(ClusterUninstallTest, NodesThatLostTheirAgentAreNotSaidToBeClean) {
  cluster_.agents.clear();
  EXPECT_EQ(run(), kExitFindings);
  EXPECT_THAT(out_.str(), HasSubstr("0 of 1 nodes are out of the mesh; waits for n1"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("nothing of Keelson is left")));
  EXPECT_THAT(err_.str(), HasSubstr("n1 (no agent runs there)"));
  EXPECT_THAT(err_.str(), HasSubstr("agent.nodeSelector"));
}

TEST_F(ClusterUninstallTest, ManyNodesAreNotAllNamed) {
  cluster_.agents.clear();
  cluster_.states.clear();
  for (int i = 10; i < 30; ++i) cluster_.agents["agent-" + std::to_string(i)] = std::to_string(i);
  EXPECT_EQ(run(), kExitFindings);
  EXPECT_THAT(out_.str(), HasSubstr("waits for 10, 11, 12, 13, 14 and 15 more"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("15,")));
}

}  // namespace
}  // namespace keelson::ctl
