// keelsonctl at the agents of a cluster: kubectl is scripted, nothing is run; and the runner of
// real processes by itself.
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <sstream>

#include "keelsonctl/cli.h"
#include "keelsonctl/fleet.h"
#include "keelsonctl/kube_link.h"
#include "keelsonctl/kubectl.h"
#include "keelsonctl/process.h"

namespace keelson::ctl {
namespace {

std::string pod(const std::string& name, const std::string& node, const std::string& phase,
                const std::string& created, const std::string& ready = "True",
                const std::string& more = "") {
  return R"({"metadata":{"name":")" + name + R"(","creationTimestamp":")" + created + "\"" + more +
         R"(},"spec":{"nodeName":")" + node + R"("},"status":{"phase":")" + phase +
         R"(","conditions":[{"type":"Ready","status":")" + ready + R"("}]}})";
}

std::string pods(const std::vector<std::string>& items) {
  std::string list;
  for (const std::string& item : items) list += (list.empty() ? "" : ",") + item;
  return R"({"kind":"List","items":[)" + list + "]}";
}

// Answers by the last words of a command; remembers what it was asked.
class ScriptedKubectl final : public Runner {
 public:
  ScriptedKubectl() {
    answers["--selector app.kubernetes.io/name=keelson-agent,app.kubernetes.io/component=agent"] = {
        0,
        pods({pod("agent-b", "node2", "Running", "2026-01-01"),
              pod("agent-a", "node1", "Running", "2026-01-01")}),
        "", false};
  }
  Result<Ended> run(const std::vector<std::string>& words, const RunLimits&, const OnLine& on_line,
                    const GoOn&) const override {
    std::string said;
    for (const std::string& word : words) said += (said.empty() ? "" : " ") + word;
    const std::lock_guard lock(mutex_);
    asked_.push_back(said);
    if (missing) return fail(Reason::not_found, ErrorSource::kConfig, "kubectl is not in PATH");
    for (const auto& [tail, ended] : answers) {
      if (!said.ends_with(tail)) continue;
      Ended answer = ended;
      if (on_line) pass_lines(answer, on_line);
      return answer;
    }
    return Ended{1, "", "error: unscripted: " + said + "\n", false};
  }
  std::vector<std::string> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  std::map<std::string, Ended> answers;
  bool missing = false;

 private:
  static void pass_lines(Ended& answer, const OnLine& on_line) {
    std::istringstream lines(std::exchange(answer.out, ""));
    for (std::string line; std::getline(lines, line);)
      if (!on_line(line)) return;
  }
  mutable std::mutex mutex_;
  mutable std::vector<std::string> asked_;
};

constexpr const char* kExit3 =
    "error: the agent does not answer: /run/keelson/agent.sock: No such "
    "file or directory (cannot_reach)\nnext: x\n"
    "command terminated with exit code 3\n";

std::string status_of(const std::string& node, bool ready = true) {
  return R"({"node":")" + node + R"(","version":"0.1.0","pid":7,"ready":)" +
         (ready ? "true" : "false") +
         R"(,"generation":{"snapshot":1,"applied":1},"hold":{"connected":true},
            "pods":{"refused":0}})"
         "\n";
}

class Cluster : public ::testing::Test {
 protected:
  struct Outcome {
    int code = 0;
    std::string out, err;
  };
  Outcome ctl(const std::vector<std::string>& arguments, bool is_plugin = true) {
    std::ostringstream out, err;
    const int code = run(
        arguments,
        {.out = out, .err = err, .checks_root = {}, .is_plugin = is_plugin, .runner = &kubectl_});
    return {code, out.str(), err.str()};
  }
  void answer(const std::string& agent, const std::string& target, Ended ended) {
    kubectl_.answers["exec " + agent + " --container=agent -- keelsonctl raw " + target] =
        std::move(ended);
  }
  ScriptedKubectl kubectl_;
};

TEST(ReadAgents, TakesOfEachNodeThePodThatRunsIsReadyAndIsNewest) {
  const auto agents = read_agents(pods({
      pod("old", "n1", "Running", "2026-01-01"),
      pod("new", "n1", "Running", "2026-01-02"),
      pod("starting", "n1", "Running", "2026-01-03", "False"),
      pod("ending", "n2", "Running", "2026-01-01", "True", R"(,"deletionTimestamp":"2026-01-02")"),
      pod("waiting", "n3", "Pending", "2026-01-01", "False"),
      pod("nowhere", "", "Pending", "2026-01-01"),
  }));
  ASSERT_TRUE(agents);
  ASSERT_EQ(agents->size(), 3U);
  EXPECT_EQ((*agents)[0].pod, "new");
  EXPECT_EQ((*agents)[0].problem, "");
  EXPECT_EQ((*agents)[1].problem, "ending");
  EXPECT_EQ((*agents)[2].problem, "Pending");
  EXPECT_FALSE(read_agents("not json"));
}

struct ExitCase {
  int code;
  const char* out;
  const char* err;
  int status;     // 0: an error
  Reason reason;  // of the error
};

TEST(ReadRaw, TheExitCodeStandsForTheStatus) {
  for (const ExitCase& wanted : {
           ExitCase{0, "{}", "", 200, Reason::none},
           ExitCase{1, "{}", "command terminated with exit code 1\n", 404, Reason::none},
           ExitCase{2, "{}", "command terminated with exit code 2\n", 400, Reason::none},
           ExitCase{3, "not ready\n", "command terminated with exit code 3\n", 503, Reason::none},
           ExitCase{3, "", kExit3, 0, Reason::cannot_reach},
           ExitCase{2, "", "not expected: raw\ncommand terminated with exit code 2\n", 0,
                    Reason::cannot_reach},
           ExitCase{1, "", "Error from server (NotFound): pods \"x\" not found\n", 0,
                    Reason::not_found},
           ExitCase{1, "", "Error from server (Forbidden): pods \"x\" is forbidden: no\n", 0,
                    Reason::caller_not_allowed},
           ExitCase{1, "", "The connection to the server was refused\n", 0, Reason::cannot_reach},
       }) {
    const auto reply = read_raw({wanted.code, wanted.out, wanted.err, false});
    EXPECT_EQ(reply ? reply->status : 0, wanted.status) << wanted.err;
    if (!reply) {
      EXPECT_EQ(reply.error().reason, wanted.reason) << wanted.err;
      EXPECT_EQ(reply.error().context.find('\n'), std::string::npos);
    }
  }
}

TEST_F(Cluster, StatusAsksEveryNodeAndTheWorstAnswerDecidesTheExitCode) {
  answer("agent-a", "/v1/status", {0, status_of("node1"), "", false});
  answer("agent-b", "/v1/status", {0, status_of("node2"), "", false});
  const auto fine = ctl({"status"});
  EXPECT_EQ(fine.code, kExitOk) << fine.out << fine.err;
  EXPECT_EQ(fine.out.substr(0, 11), "node node1\n");
  EXPECT_NE(fine.out.find("\n\nnode node2\n"), std::string::npos) << fine.out;
  EXPECT_EQ(fine.out.find("node node2\nnode node2"), std::string::npos);
  answer("agent-b", "/v1/status", {0, status_of("node2", false), "", false});
  EXPECT_EQ(ctl({"status"}).code, kExitFindings);
  answer("agent-b", "/v1/status", {3, "", kExit3, false});
  const auto silent = ctl({"status"});
  EXPECT_EQ(silent.code, kExitCannotReach);
  EXPECT_NE(silent.out.find("node node1"), std::string::npos) << "the others are shown";
  EXPECT_NE(silent.err.find("No such file or directory"), std::string::npos) << silent.err;
  EXPECT_NE(silent.err.find("next: kubectl --namespace=keelson-system get pods --output=wide "
                            "--field-selector=spec.nodeName=node2"),
            std::string::npos)
      << silent.err;
}

TEST_F(Cluster, OneNodeAnswersAsItDoesOnTheNode) {
  answer("agent-b", "/v1/status", {0, status_of("node2"), "", false});
  const auto one = ctl({"status", "--node", "node2", "-o", "json"});
  EXPECT_EQ(one.code, kExitOk) << one.err;
  EXPECT_EQ(one.out.substr(0, 20), "{\n  \"node\": \"node2\",");
  for (const std::string& asked : kubectl_.asked())
    EXPECT_EQ(asked.find("agent-a"), std::string::npos) << asked;
}

TEST_F(Cluster, JsonOfSeveralNodesNamesEachAlsoTheSilentOnes) {
  answer("agent-a", "/v1/check", {0, R"({"ok":true,"checks":[]})", "", false});
  answer("agent-b", "/v1/check", {3, "", kExit3, false});
  const auto all = ctl({"check", "-o", "json"});
  EXPECT_EQ(all.code, kExitCannotReach);
  EXPECT_NE(all.out.find("\"node\": \"node1\",\n      \"code\": 0,\n      \"answer\": {"),
            std::string::npos)
      << all.out;
  EXPECT_NE(all.out.find("\"node\": \"node2\",\n      \"code\": 3,\n      \"error\": \"error: the"),
            std::string::npos)
      << all.out;
}

TEST_F(Cluster, KubectlGetsItsOwnOptionsAndNothingElse) {
  answer("agent-a", "/v1/bpf/maps", {0, R"({"maps":[]})", "", false});
  ctl({"--kube", "--context", "prod", "--kubeconfig", "/k", "-n", "mesh", "bpf", "maps", "--node",
       "node1"},
      false);
  const auto asked = kubectl_.asked();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[1],
            "kubectl --kubeconfig=/k --context=prod --namespace=mesh exec agent-a "
            "--container=agent -- keelsonctl raw /v1/bpf/maps");
}

TEST_F(Cluster, WhyAsksTheNodeOfTheCaller) {
  kubectl_.answers["--namespace=shop get --output=jsonpath={.spec.nodeName} pod web-1"] = {
      0, "node2", "", false};
  answer("agent-b", "/v1/why?from=shop/web-1&port=80&to=shop/pay",
         {0, R"({"from":"shop/web-1","to":"shop/pay","path":"direct","links":[]})", "", false});
  const auto why = ctl({"why", "shop/web-1", "shop/pay:80"});
  EXPECT_EQ(why.code, kExitOk) << why.out << why.err;
  EXPECT_NE(why.out.find("allowed, path direct"), std::string::npos);
}

TEST_F(Cluster, ConfigIsAskedOnceBecauseEveryAgentKnowsIt) {
  answer("agent-a", "/v1/config/routes", {0, R"({"routes":[]})", "", false});
  const auto routes = ctl({"config", "routes"});
  EXPECT_EQ(routes.code, kExitOk) << routes.err;
  EXPECT_EQ(routes.out.substr(0, 7), "SERVICE");
  EXPECT_NE(routes.err.find("hint: as the agent of node1 knows it"), std::string::npos);
}

TEST_F(Cluster, ObserveMergesTheLinesOfAllNodes) {
  const auto flow = [](const std::string& from) {
    return R"({"time":"t","verdict":"allowed","path":"direct","reason":"direct","from":")" + from +
           R"(","to":"shop/pay-1","source":"a","destination":"b","original":"b"})"
           "\n";
  };
  kubectl_.answers
      ["exec agent-a --container=agent --stdin -- keelsonctl raw --lines --until-eof "
       "/v1/observe?last=20"] = {0, flow("shop/web-1") + flow("shop/web-2"), "", false};
  kubectl_.answers
      ["exec agent-b --container=agent --stdin -- keelsonctl raw --lines --until-eof "
       "/v1/observe?last=20"] = {0, flow("shop/web-3"), "", false};
  const auto seen = ctl({"observe"});
  EXPECT_EQ(seen.code, kExitOk) << seen.err;
  EXPECT_EQ(std::count(seen.out.begin(), seen.out.end(), '\n'), 3) << seen.out;
  EXPECT_NE(seen.out.find("node1 t shop/web-1 -> "), std::string::npos) << seen.out;
  EXPECT_NE(seen.out.find("node2 t shop/web-3 -> "), std::string::npos) << seen.out;
}

TEST_F(Cluster, WhatIsMissingIsSaid) {
  const auto no_agent = ctl({"status", "--node", "node9"});
  EXPECT_EQ(no_agent.code, kExitCannotReach);
  EXPECT_NE(no_agent.err.find("no agent runs on node node9; there is one on node1, node2"),
            std::string::npos)
      << no_agent.err;
  auto& list =
      kubectl_.answers
          ["--selector app.kubernetes.io/name=keelson-agent,app.kubernetes.io/component=agent"];
  list = {0, pods({}), "", false};
  EXPECT_NE(ctl({"status"}).err.find("no agent runs in namespace keelson-system"),
            std::string::npos);
  list = {1, "", "Error from server (Forbidden): pods is forbidden: User \"eve\"\n", false};
  const auto forbidden = ctl({"status"});
  EXPECT_NE(forbidden.err.find("(caller_not_allowed)"), std::string::npos) << forbidden.err;
  EXPECT_NE(forbidden.err.find("auth can-i create pods/exec"), std::string::npos);
  kubectl_.missing = true;
  EXPECT_NE(ctl({"status"}).err.find("kubectl is not in PATH"), std::string::npos);
}

TEST_F(Cluster, WhatIsForANodeOnlyIsRefused) {
  EXPECT_EQ(ctl({"check", "--pre"}).code, kExitUsage);
  EXPECT_EQ(ctl({"uninstall"}).code, kExitUsage);
  EXPECT_EQ(ctl({"ready", "--own"}).code, kExitUsage);
  EXPECT_EQ(ctl({"--context", "x", "status"}, false).code, kExitUsage);
  EXPECT_EQ(ctl({"--kube", "--run-dir", "/x", "status"}, false).code, kExitUsage);
  EXPECT_TRUE(kubectl_.asked().empty());
}

TEST(ProcessRunner, TellsOutputErrorsAndExitCodeApart) {
  const auto ended =
      ProcessRunner().run({"sh", "-c", "echo out; echo err >&2; exit 7"}, {}, nullptr, nullptr);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 7);
  EXPECT_EQ(ended->out, "out\n");
  EXPECT_EQ(ended->err, "err\n");
  const auto missing = ProcessRunner().run({"keelson-no-such-program"}, {}, nullptr, nullptr);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, Reason::not_found);
}

TEST(ProcessRunner, EndsAProgramThatTakesTooLongOrThatNobodyReadsAnyMore) {
  const auto late = ProcessRunner().run({"sleep", "60"}, {.time = std::chrono::milliseconds(50)},
                                        nullptr, nullptr);
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->timed_out);
  int lines = 0;
  const auto enough = ProcessRunner().run(
      {"yes"}, {}, [&](std::string_view) { return ++lines < 3; }, nullptr);
  ASSERT_TRUE(enough);
  EXPECT_EQ(enough->code, 0);
  EXPECT_EQ(lines, 3);
  const auto reader =
      ProcessRunner().run({"cat"}, {.time = std::chrono::milliseconds(50)}, nullptr, nullptr);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->timed_out) << "its input ended while we were there";
  const auto given_up = ProcessRunner().run({"sleep", "60"}, {}, nullptr, [] { return false; });
  ASSERT_TRUE(given_up);
  EXPECT_FALSE(given_up->timed_out);
}

}  // namespace
}  // namespace keelson::ctl
