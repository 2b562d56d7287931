// A real agent and hold at kube-standin, with one pod of their own: whatever happens to the API
// server, what is in the kernel stands, and what turns out to be as it was writes nothing.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "netns/agent_process.h"
#include "support/kube_standin.h"
#include "support/wait_until.h"
#include "unit/agent/pods/runtime/fake_runtime.h"

namespace keelson::netns_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::wait_until;

// As kube-standin's generator makes it: the first pod is on the first node.
constexpr char kPlan[] = " generate --nodes 40 --namespaces 4 --services 60 --pods 400";
constexpr size_t kServices = 60;
constexpr char kNode[] = "node-0";
constexpr char kPodAddress[] = "10.64.0.0";
constexpr char kPodUid[] = "00000005-0000-4000-8000-000000000000";
constexpr std::chrono::seconds kPatience{30};
constexpr double kKindsFollowed = 10;
// Those that have objects here.
const std::vector<std::string> kKinds{"namespaces",
                                      "pods",
                                      "services",
                                      "serviceaccounts",
                                      "endpointslices.discovery.k8s.io",
                                      "nodestates.keelson.dev"};

class ApiOutage : public testing::Test {
 protected:
  ApiOutage() : node_("node"), pod_("pod"), agent_(node_, folder_.path(), pins_.pins()) {
    connect_pod(node_, pod_, "p1", std::string(kPodAddress) + "/24");
    for (const char* folder : {"run", "state"}) fs::create_directory(at(folder));
    run(binary("kube-standin") + kPlan + " > " + at("objects"));
    runtime_.emplace(at("runtime.sock"), [this](const std::string& method, const std::string&) {
      return pods::test::FakeAnswer{method.ends_with("ListPodSandbox")
                                        ? sandbox_listing()
                                        : sandbox_status(kPodUid, kPodAddress, pod_.path())};
    });
    node_.inside([this] { standin_.emplace(std::vector<std::string>{"--load", at("objects")}); });
    hold_.emplace(node_, at("run"));
    launch_agent();
    EXPECT_TRUE(wait_ready()) << log();
    EXPECT_TRUE(is_pod_ready()) << log();
  }
  ~ApiOutage() override {
    if (HasFailure()) std::fprintf(stderr, "%s\n", log().c_str());
    agent_.stop();
    hold_.reset();
    standin_.reset();
    runtime_.reset();
  }

  std::string at(const std::string& name) const { return folder_.path() + "/" + name; }
  void launch_agent() { agent_.start({"--node", kNode, "--kubeconfig", standin_->kubeconfig()}); }
  std::string log() const { return agent_.log(); }
  test::AdminAnswer admin(const std::string& path) const { return agent_.admin(path); }
  bool wait_ready() const {
    return wait_until([this] { return agent_.is_ready(); }, kPatience);
  }
  json agent_status() const { return json::parse(admin("/v1/status").body, nullptr, false); }
  bool is_pod_ready() const {
    return wait_until([this] { return agent_status()["pods"].value("ready", 0) == 1; }, kPatience);
  }
  uint64_t map_writes() const { return agent_status().at("rollout").at("map_writes"); }
  // The sum over the samples of a metric.
  double metric(const std::string& name) const {
    std::istringstream lines(admin("/metrics").body);
    double sum = 0;
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(name + " ") || line.starts_with(name + "{"))
        sum += std::stod(line.substr(line.rfind(' ')));
    return sum;
  }
  bool is_api_reachable() const { return metric("keelson_agent_source_reachable") == 1; }
  bool wait_followed() const {  // every kind is watched again
    return wait_until(
        [this] {
          return is_api_reachable() && metric("keelson_agent_source_watching") == kKindsFollowed;
        },
        kPatience);
  }

  Namespace node_, pod_;
  TemporaryFolder folder_;
  Bpffs pins_;
  std::optional<pods::test::FakeRuntime> runtime_;
  std::optional<test::KubeStandin> standin_;
  std::optional<HoldProcess> hold_;
  AgentProcess agent_;
};

TEST_F(ApiOutage, AnOutageAndAResyncWriteNothing) {
  const uint64_t before = map_writes();
  ASSERT_GT(before, kServices);
  node_.inside([this] { standin_->refuse_for(std::chrono::milliseconds(1500)); });
  ASSERT_TRUE(wait_until([this] { return !is_api_reachable(); }, kPatience));
  EXPECT_EQ(admin("/readyz").status, 200);
  EXPECT_EQ(agent_status()["pods"]["ready"], 1);
  ASSERT_TRUE(wait_followed());
  EXPECT_EQ(map_writes(), before);

  const double lists = metric("keelson_agent_source_relists_total");
  for (const std::string& kind : kKinds) node_.inside([&] { standin_->expire(kind); });  // 410
  ASSERT_TRUE(wait_until(
      [&] { return metric("keelson_agent_source_relists_total") >= lists + double(kKinds.size()); },
      kPatience));
  ASSERT_TRUE(wait_followed());
  EXPECT_EQ(map_writes(), before);
  EXPECT_EQ(agent_status()["pods"]["ready"], 1);
}

TEST_F(ApiOutage, AServerThatComesBackWithOtherVersionsWritesNothing) {
  const uint64_t before = map_writes();
  std::ofstream more(at("more"));
  for (int i = 0; i < 2000; ++i)
    more << R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"other-)" << i << "\"}}\n";
  more << std::ifstream(at("objects")).rdbuf();
  more.close();
  const double restarts = metric("keelson_agent_source_watch_restarts_total");
  node_.inside([this] { standin_->restart({"--load", at("more"), "--history", "1"}); });
  ASSERT_TRUE(wait_until(
      [&] { return metric("keelson_agent_source_watch_restarts_total") > restarts; }, kPatience));
  ASSERT_TRUE(wait_followed());
  ASSERT_TRUE(wait_until([this] { return agent_status()["objects"]["namespaces"] >= 2004; }));
  EXPECT_EQ(map_writes(), before);
  EXPECT_EQ(agent_status()["pods"]["ready"], 1);
}

TEST_F(ApiOutage, AnAgentThatStartsWithoutTheServerChangesNothingAndWritesNothingWhenItIsBack) {
  agent_.stop();
  standin_->kill();
  launch_agent();
  ASSERT_TRUE(wait_until([this] { return admin("/readyz").status == 503; }, kPatience));
  ASSERT_TRUE(wait_until([this] { return !is_api_reachable(); }, kPatience));
  EXPECT_EQ(map_writes(), 0u);
  node_.inside([this] { standin_->restart({"--load", at("objects")}); });
  ASSERT_TRUE(wait_ready());
  ASSERT_TRUE(is_pod_ready());
  EXPECT_EQ(map_writes(), 0u);
}

}  // namespace
}  // namespace keelson::netns_test
