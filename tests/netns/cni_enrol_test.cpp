// A pod's start through keelson-cni with the real agent and hold: the Pod object names neither its
// network namespace nor, yet, an address. The container runtime is a fake that lists what the test
// says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>

#include "link/hold_client.h"
#include "netns/agent_process.h"
#include "support/wait_until.h"
#include "unit/agent/pods/runtime/fake_runtime.h"

namespace keelson::netns_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::wait_until;
using testing::HasSubstr;

constexpr size_t npos = std::string::npos;
constexpr char kUid[] = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
constexpr char kObjects[] = R"(
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {keelson.dev/mesh: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, uid: 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0}
spec:
  nodeName: n1
  containers: [{name: main}]
)";

// The agent's own Pod, and its service account with what helm uninstall puts there.
constexpr char kAgent[] = R"(
apiVersion: v1
kind: Pod
metadata:
  name: keelson-agent-x
  namespace: keelson-system
  uid: a-1
  ownerReferences: [{kind: DaemonSet, name: keelson-agent, uid: d-1, controller: true}]
spec: {nodeName: n1, hostNetwork: true, serviceAccountName: keelson-agent, containers: [{name: a}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: keelson-agent, namespace: keelson-system, annotations: {keelson.dev/uninstall: d-1}}
)";

struct Ended {
  int status = -1;
  std::string out;
};

class CniEnrol : public testing::Test {
 protected:
  CniEnrol() : node_("node"), pod_("pod"), agent_(node_, folder_.path(), pins_.pins()) {
    connect_pod(node_, pod_, "p1", "10.88.0.2/24");
    for (const char* folder : {"run", "state", "manifests", "conf", "bin"})
      fs::create_directory(at(folder));
    put("manifests/all.yaml", kObjects);
    put("conf/10-bridge.conflist",
        R"({"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"bridge"}]})");
    start_runtime();
    hold_.emplace(node_, at("run"));
    start_agent();
  }
  ~CniEnrol() override {
    agent_.stop();
    hold_.reset();
    runtime_.reset();
  }

  std::string at(const std::string& name) const { return folder_.path() + "/" + name; }
  void put(const std::string& name, const std::string& text) { std::ofstream(at(name)) << text; }

  void start_runtime() {
    runtime_.emplace(at("runtime.sock"), [this](const std::string& method, const std::string&) {
      return pods::test::FakeAnswer{method.ends_with("ListPodSandbox")
                                        ? listing()
                                        : sandbox_status(kUid, "10.88.0.2", pod_.path())};
    });
  }
  void start_agent() {
    launch_agent();
    ASSERT_TRUE(wait_until([&] { return agent_.is_ready(); })) << log();
  }
  void launch_agent() {
    agent_.start({"--node", "n1", "--pod-uid", "a-1", "--manifests", at("manifests"),
                  "--cni-conf-dir", at("conf"), "--cni-bin-dir", at("bin"), "--cni-plugin",
                  binary("keelson-cni"), "--cni-timeout", "3", "--cni-exempt-namespaces",
                  "kube-system"});
  }
  std::string log() const { return agent_.log(); }
  test::AdminAnswer admin(const std::string& path) const { return agent_.admin(path); }
  std::string workload_state() const {
    const json list = json::parse(admin("/v1/config/workloads").body, nullptr, false);
    return list.dump();
  }
  std::string metric(const std::string& name) const {
    std::istringstream lines(admin("/metrics").body);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(name + " ")) return line.substr(name.size() + 1);
    return {};
  }

  // As the runtime does it: our own plugin's object of the list that the agent keeps.
  Ended call_plugin(const std::string& command, const std::string& pod = "web",
                    const std::string& uid = kUid) {
    std::ostringstream text;
    text << std::ifstream(at("conf") + "/00-keelson.conflist").rdbuf();
    const json list = json::parse(text.str());
    json netconf = list["plugins"].back();
    netconf["cniVersion"] = list["cniVersion"];
    netconf["name"] = list["name"];
    netconf["prevResult"] = json::parse(
        R"({"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"x"}],
            "ips":[{"interface":0,"address":"10.88.0.2/24"}]})");
    put("netconf", netconf.dump());
    const std::string line = "env -i CNI_COMMAND=" + command +
                             " CNI_CONTAINERID=sandbox-1 CNI_IFNAME=eth0 CNI_NETNS=" + pod_.path() +
                             " 'CNI_ARGS=K8S_POD_NAMESPACE=shop;K8S_POD_NAME=" + pod +
                             ";K8S_POD_UID=" + uid + "' " + at("bin") + "/keelson-cni < " +
                             at("netconf");
    FILE* const pipe = ::popen(line.c_str(), "re");
    Ended ended;
    char buffer[4096];
    for (size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
      ended.out.append(buffer, got);
    ended.status = WEXITSTATUS(::pclose(pipe));
    return ended;
  }

  void runtime_has_sandbox(bool has) {
    const std::lock_guard lock(mutex_);
    has_sandbox_ = has;
  }
  std::string listing() {
    const std::lock_guard lock(mutex_);
    return sandbox_listing(has_sandbox_);
  }
  // What hold keeps, asked as the agent asks.
  size_t held() const {
    link::HoldClient hold(at("run") + "/hold.sock");
    const auto all = hold.list_all();
    return all ? all->size() : 99;
  }

  Namespace node_, pod_;
  TemporaryFolder folder_;
  Bpffs pins_;
  std::mutex mutex_;
  bool has_sandbox_ = false;
  std::optional<pods::test::FakeRuntime> runtime_;
  std::optional<HoldProcess> hold_;
  AgentProcess agent_;
};

TEST_F(CniEnrol, AddIsAnsweredWhenThePodIsInTheMeshAndDelWhenItIsOut) {
  const Ended added = call_plugin("ADD");
  ASSERT_EQ(added.status, 0) << added.out << log();
  EXPECT_EQ(json::parse(added.out)["ips"][0]["address"], "10.88.0.2/24");
  EXPECT_THAT(workload_state(), HasSubstr("\"ready\""));
  EXPECT_EQ(held(), 1u);
  EXPECT_EQ(call_plugin("CHECK").status, 0);

  const Ended deleted = call_plugin("DEL");
  EXPECT_EQ(deleted.status, 0);
  EXPECT_EQ(deleted.out, "");
  EXPECT_EQ(held(), 0u);  // at once: the plugin waits for it
  EXPECT_EQ(call_plugin("DEL").status, 0);
  EXPECT_EQ(call_plugin("CHECK").status, 1);
}

TEST_F(CniEnrol, APodThatTheAgentHasNotReadIsNotStarted) {
  const Ended refused = call_plugin("ADD", "cart", "another-uid");
  ASSERT_EQ(refused.status, 1);
  const json error = json::parse(refused.out);
  EXPECT_EQ(error["code"], 11);
  EXPECT_THAT(
      error["msg"].get<std::string>(),
      HasSubstr("pod shop/cart: not enrolled in 3 s: the agent has not read Pod shop/cart"));
}

TEST_F(CniEnrol, APodWithoutALabelStartsAtOnceAndIsNotHeld) {
  put("manifests/ns.yaml",
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: plain}\n---\napiVersion: v1\nkind: Pod\n"
      "metadata: {name: job, namespace: shop, uid: u-job, labels: {keelson.dev/mesh: disabled}}\n"
      "spec: {nodeName: n1, containers: [{name: main}]}\n");
  EXPECT_EQ(call_plugin("ADD", "job", "u-job").status, 0) << log();
  EXPECT_EQ(held(), 0u);
}

TEST_F(CniEnrol, AnAgentThatIsReplacedFindsThePodAtTheRuntimeAndWritesNothing) {
  ASSERT_EQ(call_plugin("ADD").status, 0) << log();
  runtime_has_sandbox(true);
  agent_.stop();
  EXPECT_EQ(call_plugin("ADD", "cart", "u-2").status, 1);  // nobody is there
  start_agent();
  EXPECT_TRUE(wait_until([&] { return workload_state().find("\"ready\"") != npos; }));
  EXPECT_EQ(metric("keelson_agent_map_writes_total"), "0") << admin("/metrics").body;
  EXPECT_EQ(held(), 1u);
}

TEST_F(CniEnrol, ASandboxThatEndedUnheardIsForgottenAtTheNextStart) {
  ASSERT_EQ(call_plugin("ADD").status, 0) << log();
  agent_.stop();
  const Ended deleted = call_plugin("DEL");
  EXPECT_EQ(deleted.status, 0) << deleted.out;
  EXPECT_EQ(held(), 1u);
  start_agent();
  EXPECT_TRUE(wait_until([&] { return held() == 0; })) << log();
}

TEST_F(CniEnrol, WithoutTheRuntimesAnswerNothingIsTakenOutOfTheMesh) {
  ASSERT_EQ(call_plugin("ADD").status, 0) << log();
  agent_.stop();
  runtime_.reset();
  fs::remove(at("runtime.sock"));
  launch_agent();
  EXPECT_TRUE(wait_until([&] { return admin("/readyz").status == 503; }));
  EXPECT_TRUE(wait_until([&] { return admin("/readyz").body.find("runtime.sock") != npos; }));
  EXPECT_EQ(held(), 1u);
  runtime_has_sandbox(true);
  start_runtime();
  EXPECT_TRUE(wait_until([&] { return agent_.is_ready(); })) << log();
  EXPECT_EQ(metric("keelson_agent_map_writes_total"), "0");
  EXPECT_EQ(held(), 1u);
}

TEST_F(CniEnrol, AnAgentWhoseReleaseIsUninstalledLeavesNothing) {
  ASSERT_EQ(call_plugin("ADD").status, 0) << log();
  put("manifests/policy.yaml",
      "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
      "metadata: {name: nobody, namespace: shop}\nspec: {}\n");
  EXPECT_TRUE(wait_until([&] { return !fs::is_empty(at("state")); })) << log();
  EXPECT_TRUE(fs::exists(pins_.pins()));
  put("manifests/agent.yaml", kAgent);
  const auto has_retired = [&] { return admin("/v1/status").body.find("\"retired\"") != npos; };
  EXPECT_TRUE(wait_until([&] { return !fs::exists(at("conf/00-keelson.conflist")); })) << log();
  EXPECT_TRUE(wait_until(has_retired)) << log();
  EXPECT_EQ(admin("/readyz").status, 200);
  EXPECT_EQ(held(), 0u);
  EXPECT_FALSE(fs::exists(pins_.pins()));
  EXPECT_FALSE(fs::exists(at("bin/keelson-cni")));

  agent_.stop(SIGKILL);  // its container is started again before the pod is deleted
  start_agent();
  EXPECT_TRUE(has_retired());
  EXPECT_FALSE(fs::exists(pins_.pins()));
  EXPECT_FALSE(fs::exists(at("conf/00-keelson.conflist")));

  agent_.stop();
  hold_.reset();
  for (const auto& left : fs::directory_iterator(at("run")))
    EXPECT_EQ(left.path().filename(), "hold.sock") << "hold was killed; all else is the agent's";
  for (const auto& left : fs::directory_iterator(at("state")))
    EXPECT_EQ(left.path().filename(), "ca") << "the lab's nodes share a built-in CA";
}

}  // namespace
}  // namespace keelson::netns_test
