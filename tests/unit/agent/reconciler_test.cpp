#include "reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "fake_pods.h"
#include "map_recorder.h"
#include "status/node_state_file.h"

namespace keelson {
namespace {

using compile::bytes_of;
using compile::MapId;
using std::chrono::milliseconds;

constexpr uint64_t kNode = 1, kWeb = 100;

// The proxy; without one nobody publishes.
class FakeProxy final : public rollout::Publisher {
 public:
  bool is_there = false;
  uint64_t generation = 0;  // the newest that it was told

 private:
  bool publish(uint64_t told) override {
    generation = told;
    return is_there;
  }
};

// One meshed pod, shop/web, on node a.
class ReconcilerTest : public ::testing::Test {
 protected:
  ReconcilerTest() {
    std::string pattern = ::testing::TempDir() + "reconciler-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    hold_.netns["/ns/web"] = {kWeb, {"10.0.0.1"}, 11};
    start();
  }
  ~ReconcilerTest() override { std::filesystem::remove_all(folder_); }

  // An agent that starts: on a fresh node, or on one that an earlier agent left.
  void start() {
    node_state_ = std::make_unique<status::NodeStateFile>(folder_, "a");
    enrolment_ = std::make_unique<pods::Enrolment>(hold_, hooks_, clock_);
    rollout_ = std::make_unique<rollout::Rollout>(maps_, proxy_);
    cutting_ = std::make_unique<Cutting>(-1);
    compile::NodeFacts facts;
    facts.node_name = "a";
    facts.netns_cookie = kNode;
    reconciler_ = std::make_unique<Reconciler>(
        Reconciler::Parts{clock_, *enrolment_, *rollout_, *node_state_, *cutting_, sandboxes_,
                          [](const compile::Plan&) {},
                          [this](const model::Pod&) { return has_identity_; }},
        facts);
    enrolment_->recover(maps_.rows);
    cutting_->recover(maps_.rows);
    maps_.writes = 0;
  }

  static std::shared_ptr<const model::Snapshot> snapshot(bool meshed, bool with_pod = true) {
    auto made = std::make_shared<model::Snapshot>();
    made->generation = meshed ? 1 : 2;
    model::Namespace ns;
    ns.meta.key = {model::Kind::kNamespace, "", "shop"};
    if (meshed) ns.meta.labels[std::string(model::kMeshLabel)] = "enabled";
    made->namespaces[ns.meta.key] = std::make_shared<const model::Namespace>(ns);
    if (!with_pod) return made;
    model::Pod pod;
    pod.meta.key = {model::Kind::kPod, "shop", "web"};
    pod.meta.uid = "u1";
    pod.node_name = "a";
    pod.service_account = "web";
    pod.netns_path = "/ns/web";
    pod.addresses = {IpAddress::parse("10.0.0.1").value()};
    made->pods[pod.meta.key] = std::make_shared<const model::Pod>(pod);
    return made;
  }

  // As on a node whose container runtime tells the sandboxes.
  static std::shared_ptr<const model::Snapshot> without_annotation() {
    auto made = std::make_shared<model::Snapshot>(*snapshot(true));
    auto changed = std::make_shared<model::Pod>(*made->pods.begin()->second);
    changed->netns_path.clear();
    made->pods[changed->meta.key] = changed;
    return made;
  }

  uint32_t address_flags() const {
    const auto found =
        maps_.rows.find({MapId::kAddress, bytes_of(IpAddress::parse("10.0.0.1").value().raw())});
    return found == maps_.rows.end() ? 0 : compile::value_of<ks_address>(found->second).flags;
  }
  bool has_pod_row() const { return maps_.rows.contains({MapId::kPod, bytes_of(kWeb)}); }
  ks_pod pod_row() const {
    return compile::value_of<ks_pod>(maps_.rows.at({MapId::kPod, bytes_of(kWeb)}));
  }
  void run_when_it_wants() {
    ASSERT_TRUE(reconciler_->next_run());
    clock_.advance(std::chrono::ceil<milliseconds>(*reconciler_->next_run() - clock_.now()));
    reconciler_->reconcile();
  }
  std::string node_state() const {
    std::ostringstream text;
    text << std::ifstream(folder_ + "/a.yaml").rdbuf();
    return text.str();
  }

  std::string folder_;
  bool has_identity_ = true;
  test::FakeClock clock_;
  pods::FakeHold hold_;
  pods::FakeHooks hooks_;
  rollout::MapRecorder maps_;
  pods::Sandboxes sandboxes_;
  FakeProxy proxy_;
  std::unique_ptr<status::NodeStateFile> node_state_;
  std::unique_ptr<pods::Enrolment> enrolment_;
  std::unique_ptr<rollout::Rollout> rollout_;
  std::unique_ptr<Cutting> cutting_;
  std::unique_ptr<Reconciler> reconciler_;
};

TEST_F(ReconcilerTest, APodsHooksAreAttachedBetweenItsOpenAddressAndItsRow) {
  std::vector<std::string> order;
  maps_.after_write = [&](const compile::RowKey& row) {
    if (row.map == MapId::kAddress)
      order.push_back(address_flags() == KS_ADDRESS_OPEN ? "open" : "local");
    if (row.map == MapId::kPod && has_pod_row())
      order.push_back(hooks_.lookups.empty() ? "row without hooks" : "row");
  };
  reconciler_->reconcile(snapshot(true));
  order.erase(std::unique(order.begin(), order.end()), order.end());
  // The node's own row comes first, before the pod has one.
  EXPECT_THAT(order, ::testing::ElementsAre("open", "row", "local"));
  EXPECT_EQ(reconciler_->state_of("u1"), model::PodState::kReady);
  EXPECT_NE(node_state().find("state: ready"), std::string::npos) << node_state();
}

// On a cluster the CA's answer takes its time: other nodes called a pod by mTLS that had no
// certificate to answer with.
TEST_F(ReconcilerTest, APodIsAnnouncedReadyOnlyWithItsCertificate) {
  has_identity_ = false;
  reconciler_->reconcile(snapshot(true));
  EXPECT_FALSE(has_pod_row());
  EXPECT_EQ(address_flags(), KS_ADDRESS_OPEN);
  EXPECT_TRUE(hooks_.lookups.empty());
  EXPECT_NE(node_state().find("state: joining"), std::string::npos) << node_state();
  has_identity_ = true;
  reconciler_->reconcile();
  EXPECT_TRUE(has_pod_row());
  EXPECT_NE(node_state().find("state: ready"), std::string::npos) << node_state();
}

TEST_F(ReconcilerTest, APodOfAnEarlierAgentStaysInTheMeshWhileItsCertificateIsMissing) {
  reconciler_->reconcile(snapshot(true));
  start();
  has_identity_ = false;
  reconciler_->reconcile(snapshot(true));
  EXPECT_TRUE(has_pod_row());
  EXPECT_EQ(maps_.writes, 0u);
}

TEST_F(ReconcilerTest, AnUnchangedSnapshotWritesNothingAlsoAfterARestart) {
  reconciler_->reconcile(snapshot(true));
  EXPECT_GT(maps_.writes, 0u);
  maps_.writes = 0;
  reconciler_->reconcile(snapshot(true));
  EXPECT_EQ(maps_.writes, 0u);
  start();
  reconciler_->reconcile(snapshot(true));
  EXPECT_EQ(maps_.writes, 0u);
  EXPECT_TRUE(has_pod_row());
}

TEST_F(ReconcilerTest, APodWhoseLabelWentServesAsLeavingForAWhile) {
  reconciler_->reconcile(snapshot(true));
  reconciler_->reconcile(snapshot(false));
  EXPECT_EQ(reconciler_->state_of("u1"), model::PodState::kLeaving);
  EXPECT_NE(node_state().find("state: leaving"), std::string::npos) << node_state();
  EXPECT_TRUE(has_pod_row());
  run_when_it_wants();
  EXPECT_FALSE(has_pod_row());
  EXPECT_EQ(node_state().find("u1"), std::string::npos) << node_state();
  run_when_it_wants();
  EXPECT_EQ(address_flags(), 0u);
  EXPECT_TRUE(hooks_.lookups.empty());
  EXPECT_FALSE(hold_.registered.contains("u1"));
  EXPECT_FALSE(reconciler_->next_run());
}

// At an uninstall one connection of thousands was reset: captured just before its pod's rows went,
// it found a listener that was closed with it.
TEST_F(ReconcilerTest, HooksAndListenersOfAPodOutliveItsRowsByAWhile) {
  reconciler_->reconcile(snapshot(true));
  reconciler_->reconcile(snapshot(false));
  run_when_it_wants();
  EXPECT_FALSE(has_pod_row());
  EXPECT_EQ(address_flags(), KS_ADDRESS_OPEN);
  EXPECT_FALSE(hooks_.lookups.empty());
  EXPECT_TRUE(hold_.registered.contains("u1"));
  EXPECT_FALSE(reconciler_->has_nobody());
  reconciler_->reconcile(snapshot(true));  // wanted again: it simply stays
  EXPECT_TRUE(has_pod_row());
  EXPECT_EQ(reconciler_->state_of("u1"), model::PodState::kReady);
}

// At an uninstall requests were refused as `unattested`: their node knew that the pod goes and sent
// in the clear, while the pod's node had not heard yet that the caller goes too.
TEST_F(ReconcilerTest, ALeavingPodLetsInWhatIsSentInTheClear) {
  const auto is_open = [this] { return pod_row().grace_until_ns == UINT64_MAX; };
  reconciler_->reconcile(snapshot(true));
  EXPECT_FALSE(is_open());
  reconciler_->reconcile(snapshot(false));
  EXPECT_TRUE(is_open());
  reconciler_->reconcile(snapshot(true));
  EXPECT_FALSE(is_open());
}

// Callers that hear of a leaving pod send in the clear: not before its row lets that in, which may
// wait for the proxy.
TEST_F(ReconcilerTest, ALeavingPodIsAnnouncedOnceItsRowIsReadyForIt) {
  reconciler_->reconcile(snapshot(true));
  proxy_.is_there = true;
  reconciler_->reconcile(snapshot(false));
  EXPECT_EQ(reconciler_->state_of("u1"), model::PodState::kReady);
  EXPECT_NE(node_state().find("state: ready"), std::string::npos) << node_state();
  clock_.advance(milliseconds(100));
  ASSERT_TRUE(rollout_->on_published(proxy_.generation));
  reconciler_->reconcile();
  EXPECT_NE(node_state().find("state: leaving"), std::string::npos) << node_state();
  EXPECT_EQ(*reconciler_->next_run() - clock_.now(), milliseconds(1500));
}

TEST_F(ReconcilerTest, AProxyThatDoesNotAnswerKeepsNoPodFromLeaving) {
  reconciler_->reconcile(snapshot(true));
  proxy_.is_there = true;
  reconciler_->reconcile(snapshot(false));
  run_when_it_wants();
  EXPECT_NE(node_state().find("state: leaving"), std::string::npos) << node_state();
}

TEST_F(ReconcilerTest, NobodyIsLeftOnlyWhenTheLastPodIsOut) {
  EXPECT_FALSE(reconciler_->has_nobody());  // nothing is known yet
  reconciler_->reconcile(snapshot(true));
  EXPECT_FALSE(reconciler_->has_nobody());
  reconciler_->reconcile(snapshot(false));
  EXPECT_FALSE(reconciler_->has_nobody());  // leaving
  run_when_it_wants();
  EXPECT_FALSE(reconciler_->has_nobody());  // its hooks are still there
  run_when_it_wants();
  EXPECT_TRUE(reconciler_->has_nobody());
  start();
  reconciler_->reconcile(snapshot(false));
  EXPECT_TRUE(reconciler_->has_nobody());  // and none was ever there
}

TEST_F(ReconcilerTest, ADeletedPodLeavesAtOnce) {
  reconciler_->reconcile(snapshot(true));
  reconciler_->reconcile(snapshot(true, false));
  EXPECT_FALSE(has_pod_row());
  EXPECT_TRUE(hooks_.lookups.empty());
}

TEST_F(ReconcilerTest, ARestartWithoutHoldTakesNobodyOutOfTheMesh) {
  reconciler_->reconcile(snapshot(true));
  start();
  hold_.reachable = false;
  reconciler_->reconcile(snapshot(true));
  EXPECT_EQ(maps_.writes, 0u);
  EXPECT_TRUE(has_pod_row());
  ASSERT_TRUE(reconciler_->error());
  EXPECT_EQ(reconciler_->error()->reason, Reason::hold_unreachable);
  EXPECT_TRUE(reconciler_->next_run());
}

TEST_F(ReconcilerTest, ARestartThatCannotRegisterAPodLeavesItsRowsAlone) {
  reconciler_->reconcile(snapshot(true));
  start();
  hold_.refuse["u1"] = Reason::io_error;
  reconciler_->reconcile(snapshot(true));
  EXPECT_EQ(maps_.writes, 0u);
  EXPECT_TRUE(has_pod_row());
  EXPECT_EQ(reconciler_->state_of("u1"), model::PodState::kReady);
  EXPECT_FALSE(reconciler_->error());
}

// A dead or hanging shim: the runtime lists the sandbox and cannot tell its namespace.
TEST_F(ReconcilerTest, ARestartThatIsNotToldAPodsNamespaceLeavesItsRowsAloneUntilItsSandboxEnds) {
  sandboxes_.attach({"s1", "u1", "/ns/web", {IpAddress::parse("10.0.0.1").value()}});
  reconciler_->reconcile(without_annotation());
  ASSERT_TRUE(has_pod_row());
  sandboxes_ = pods::Sandboxes();
  sandboxes_.merge({{"s1", "u1", "", {}}}, sandboxes_.now());
  start();
  reconciler_->reconcile(without_annotation());
  EXPECT_EQ(maps_.writes, 0u);
  EXPECT_TRUE(has_pod_row());
  sandboxes_.detach("s1", "u1");
  reconciler_->reconcile();
  EXPECT_FALSE(has_pod_row());
  EXPECT_FALSE(enrolment_->has("u1"));
}

TEST_F(ReconcilerTest, AFailedWriteIsSaidAndTriedAgain) {
  maps_.fail_at = 2;
  reconciler_->reconcile(snapshot(true));
  ASSERT_TRUE(reconciler_->error());
  EXPECT_EQ(reconciler_->error()->reason, Reason::map_write_failed);
  EXPECT_EQ(reconciler_->state_of("u1"), model::PodState::kJoining);
  reconciler_->reconcile();
  EXPECT_FALSE(reconciler_->error());
  EXPECT_EQ(reconciler_->state_of("u1"), model::PodState::kReady);
}

// A pod has its declared addresses by the object or the runtime; others are its own doing.
TEST_F(ReconcilerTest, WhatAPodDeclaresIsTold) {
  hold_.netns["/ns/web"].addresses.push_back("10.0.0.9");
  reconciler_->reconcile(snapshot(true));
  ASSERT_EQ(reconciler_->facts().pods.size(), 1u);
  EXPECT_EQ(reconciler_->facts().pods[0].addresses.size(), 2u);
  EXPECT_THAT(reconciler_->facts().pods[0].declared,
              ::testing::ElementsAre(IpAddress::parse("10.0.0.1").value()));
}

// The runtime gives the address to another pod as soon as the end of the sandbox is answered.
TEST_F(ReconcilerTest, APodWhoseSandboxEndedIsOutAtOnce) {
  sandboxes_.attach({"s1", "u1", "/ns/web", {IpAddress::parse("10.0.0.1").value()}});
  reconciler_->reconcile(without_annotation());
  ASSERT_TRUE(has_pod_row());
  EXPECT_TRUE(enrolment_->has("u1"));
  sandboxes_.detach("s1", "u1");
  reconciler_->reconcile();
  EXPECT_FALSE(has_pod_row());
  EXPECT_FALSE(enrolment_->has("u1"));
  EXPECT_EQ(node_state().find("web"), std::string::npos);
}

}  // namespace
}  // namespace keelson
