#include "cni/plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cni_call.h"

namespace keelson::cni {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

// An agent that says what the test wants, and remembers what it was asked.
class FakeAgent final : public AgentLine {
 public:
  Expected<CniError> ask(const std::string& socket, std::string_view path, std::string_view body,
                         std::chrono::milliseconds limit) override {
    asked += std::string(path) + " ";
    last_socket = socket;
    last_body = body;
    last_limit = limit;
    return answer;
  }
  void is_away() {
    answer = tl::unexpected(CniError{kTryAgainLater, "connect: Connection refused", ""});
  }
  Expected<CniError> answer = CniError{};
  std::string asked, last_socket, last_body;
  std::chrono::milliseconds last_limit{0};
};

class PluginTest : public testing::Test {
 protected:
  Output run(const std::string& command) {
    Environment environment = call_environment(command);
    environment["CNI_ARGS"] = arguments;
    return run_plugin(environment, netconf.dump(), agent);
  }
  void in_namespace(const std::string& ns) {
    arguments = "K8S_POD_NAMESPACE=" + ns + ";K8S_POD_NAME=dns-1;K8S_POD_UID=u-7";
  }
  ordered_json netconf = call_netconf();
  std::string arguments = call_environment("ADD").at("CNI_ARGS");
  FakeAgent agent;
};

TEST_F(PluginTest, AnEnrolledPodStartsWithThePreviousResult) {
  const Output output = run("ADD");
  EXPECT_EQ(output.exit_status, 0);
  EXPECT_EQ(output.text, netconf["prevResult"].dump() + "\n");
  EXPECT_EQ(agent.asked, "/add ");
  EXPECT_EQ(agent.last_socket, "/run/k/cni.sock");
  EXPECT_TRUE(decode_attachment(agent.last_body)->waits);
  EXPECT_GT(agent.last_limit, std::chrono::seconds(7));  // the agent's own limit comes first
}

TEST_F(PluginTest, ARefusalNamesPodStepAndFix) {
  agent.answer = CniError{kTryAgainLater, "waits for keelson-hold", "start keelson-hold"};
  const Output output = run("ADD");
  EXPECT_EQ(output.exit_status, 1);
  const auto error = ordered_json::parse(output.text);
  EXPECT_EQ(error["cniVersion"], "1.0.0");
  EXPECT_EQ(error["code"], 11);
  EXPECT_EQ(error["msg"], "keelson-cni: pod shop/web-1: waits for keelson-hold");
  EXPECT_EQ(error["details"], "start keelson-hold");
}

TEST_F(PluginTest, WithoutAnAgentAPodDoesNotStart) {
  agent.is_away();
  const Output output = run("ADD");
  EXPECT_EQ(output.exit_status, 1);
  const auto error = ordered_json::parse(output.text);
  EXPECT_EQ(error["code"], 11);
  EXPECT_THAT(error["msg"].get<std::string>(), HasSubstr("pod shop/web-1: not started"));
  EXPECT_THAT(error["details"].get<std::string>(), HasSubstr("keelson-agent must run"));
}

TEST_F(PluginTest, WithoutAnAgentAnExemptPodStartsAndSaysSo) {
  agent.is_away();
  in_namespace("kube-system");
  const Output output = run("ADD");
  EXPECT_EQ(output.exit_status, 0);
  EXPECT_EQ(output.text, netconf["prevResult"].dump() + "\n");
  EXPECT_THAT(output.warning, HasSubstr("exempt"));
}

TEST_F(PluginTest, AnExemptPodIsMadeKnownButDoesNotWait) {
  in_namespace("keelson-system");
  EXPECT_EQ(run("ADD").exit_status, 0);
  EXPECT_FALSE(decode_attachment(agent.last_body)->waits);
  EXPECT_LE(agent.last_limit, std::chrono::seconds(1));
}

TEST_F(PluginTest, AnExemptionIsNoPrefix) {
  agent.is_away();
  in_namespace("kube-system-2");
  EXPECT_EQ(run("ADD").exit_status, 1);
}

TEST_F(PluginTest, AContainerOutsideOfKubernetesIsNotAskedAbout) {
  agent.is_away();
  arguments = "";
  for (const char* command : {"ADD", "CHECK", "DEL"})
    EXPECT_EQ(run(command).exit_status, 0) << command;
  EXPECT_EQ(agent.asked, "");
}

TEST_F(PluginTest, WithoutUidAPodCannotBeToldApart) {
  arguments = "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1";
  const auto error = ordered_json::parse(run("ADD").text);
  EXPECT_EQ(error["code"], 4);
  EXPECT_THAT(error["msg"].get<std::string>(), HasSubstr("K8S_POD_UID"));
}

TEST_F(PluginTest, DelTellsTheAgentAndPrintsNothing) {
  const Output output = run("DEL");
  EXPECT_EQ(output.exit_status, 0);
  EXPECT_EQ(output.text, "");
  EXPECT_EQ(agent.asked, "/del ");
}

TEST_F(PluginTest, DelSucceedsWithoutAnAgentAndWarns) {
  agent.is_away();
  const Output output = run("DEL");
  EXPECT_EQ(output.exit_status, 0);
  EXPECT_EQ(output.text, "");
  EXPECT_THAT(output.warning, HasSubstr("forget it later"));
}

TEST_F(PluginTest, CheckPassesOnWhatTheAgentFinds) {
  EXPECT_EQ(run("CHECK").exit_status, 0);
  agent.answer = CniError{kTryAgainLater, "no hooks", "wait"};
  EXPECT_EQ(ordered_json::parse(run("CHECK").text)["msg"], "keelson-cni: pod shop/web-1: no hooks");
  agent.is_away();
  EXPECT_EQ(run("CHECK").exit_status, 1);
  in_namespace("kube-system");
  EXPECT_EQ(run("CHECK").exit_status, 0);
}

TEST_F(PluginTest, StatusIsFineWithoutAnAgent) {
  agent.is_away();
  EXPECT_EQ(run("STATUS").exit_status, 0);
  EXPECT_EQ(agent.asked, "");
  netconf["timeoutSeconds"] = -1;
  EXPECT_EQ(run("STATUS").exit_status, 1);
}

TEST_F(PluginTest, GcPassesTheListOnAndNeverFails) {
  netconf["cni.dev/valid-attachments"] = ordered_json::parse(R"([{"containerID": "a1"}])");
  EXPECT_EQ(run("GC").exit_status, 0);
  EXPECT_EQ(agent.last_body, R"({"containerIDs":["a1"]})");
  agent.is_away();
  const Output output = run("GC");
  EXPECT_EQ(output.exit_status, 0);
  EXPECT_NE(output.warning, "");
}

TEST_F(PluginTest, VersionListsWhatChains) {
  const Output output =
      run_plugin({{"CNI_COMMAND", "VERSION"}}, R"({"cniVersion":"0.4.0"})", agent);
  EXPECT_EQ(output.exit_status, 0);
  EXPECT_EQ(
      output.text,
      R"({"cniVersion":"0.4.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]})"
      "\n");
  EXPECT_EQ(run_plugin({{"CNI_COMMAND", "VERSION"}}, "", agent).exit_status, 0);
}

}  // namespace
}  // namespace keelson::cni
