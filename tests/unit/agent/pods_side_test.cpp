// PodsSide asked by the plugin's own end on a real Unix socket, with an enrolment that the test
// plays: what counts is what it answers between a change and the reconcile that applies it.
#include "pods_side.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "cni/agent_line.h"
#include "cni/node_file.h"
#include "fake_pods.h"
#include "support/wait_until.h"

namespace keelson {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class PodsSideTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/keelson-pods-side-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder = path;
    std::ofstream(folder + "/10-bridge.conflist")
        << R"({"cniVersion":"1.0.0","name":"one","plugins":[{"type":"bridge"}]})";
    add_web();
    PodsSideOptions options;
    options.socket_path = socket();
    options.cni_conf_dir = folder;
    side = make(options);
    ASSERT_TRUE(side->start());
    EXPECT_FALSE(std::filesystem::exists(conflist()));  // it may be one that shall leave
    side->chain();
    thread = std::thread([this] { loop.run(); });
  }
  std::unique_ptr<PodsSide> make(const PodsSideOptions& options) {
    return std::make_unique<PodsSide>(
        loop, clock, options,
        PodsSide::Parts{sandboxes, enrolment, [this] { return view(); }, [this] { ++changes; }});
  }
  static PodsSideOptions options_with(const std::string& both) {
    PodsSideOptions options;
    options.cni_conf_dir = options.cni_bin_dir = both;
    return options;
  }
  void TearDown() override {
    on_loop([this] {
      side.reset();
      loop.stop();
    });
    thread.join();
    std::filesystem::remove_all(folder);
  }
  // Pod shop/web with uid u1 on node a, meshed.
  void add_web() {
    model::Pod pod;
    pod.meta.key = {model::Kind::kPod, "shop", "web"};
    pod.meta.uid = "u1";
    pod.meta.labels[std::string(model::kMeshLabel)] = "enabled";
    pod.node_name = "a";
    snapshot.pods[pod.meta.key] = std::make_shared<const model::Pod>(pod);
  }
  StandingView view() const {
    return {snapshot,
            node,
            refused,
            {},
            node_error,
            "",
            [this](const std::string&) { return state; },
            [](const model::Pod&) { return true; }};
  }
  void on_loop(std::function<void()> work) {
    std::promise<void> done;
    ASSERT_TRUE(loop.post([&] {
      work();
      done.set_value();
    }));
    done.get_future().wait();
  }
  // What the agent does after a change, until another one.
  void reconcile() {
    on_loop([this] { side->settle(); });
  }
  int changes_seen() {
    int seen = 0;
    on_loop([&] { seen = changes; });
    return seen;
  }
  std::string conflist() const { return folder + "/00-keelson.conflist"; }
  std::string socket() const { return folder + "/cni.sock"; }
  static cni::Attachment web(const std::string& container_id) {
    return {container_id,
            "/run/netns/" + container_id,
            "eth0",
            {"shop", "web", "u1"},
            {"10.0.0.1"},
            true,
            30};
  }
  cni::Expected<cni::CniError> ask(const std::string& path, const cni::Attachment& about) const {
    return cni::SocketAgentLine(milliseconds(5))
        .ask(socket(), path, cni::encode_attachment(about), milliseconds(20'000));
  }
  std::future<cni::Expected<cni::CniError>> ask_later(const std::string& path,
                                                      const cni::Attachment& about) const {
    return std::async(std::launch::async, [=, this] { return ask(path, about); });
  }

  std::string folder;
  SystemClock clock;
  io::EventLoop loop;
  pods::FakeHold hold;
  pods::FakeHooks hooks;
  pods::Sandboxes sandboxes;
  pods::Enrolment enrolment{hold, hooks, clock};
  model::Snapshot snapshot;
  const std::string node = "a";
  std::vector<RefusedPod> refused;
  std::optional<Error> node_error;
  model::PodState state = model::PodState::kJoining;
  int changes = 0;
  std::unique_ptr<PodsSide> side;
  std::thread thread;
};

// The old sandbox's DEL was missed: what is ready is not this one.
TEST_F(PodsSideTest, ANewSandboxOfAReadyPodWaitsUntilItIsApplied) {
  on_loop([this] { state = model::PodState::kReady; });
  auto first = ask_later("/add", web("c1"));
  ASSERT_TRUE(test::wait_until([this] { return changes_seen() == 1; }));
  reconcile();
  EXPECT_EQ(first.get()->code, 0);
  EXPECT_EQ(ask("/check", web("c1"))->code, 0);

  auto second = ask_later("/add", web("c2"));
  ASSERT_TRUE(test::wait_until([this] { return changes_seen() == 2; }));
  const auto unapplied = ask("/check", web("c2"));
  EXPECT_EQ(unapplied->code, cni::kTryAgainLater);
  EXPECT_THAT(unapplied->message, HasSubstr("is applying what the container runtime told"));
  on_loop([this] {
    state = model::PodState::kJoining;
    side->settle();
  });
  EXPECT_EQ(second.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  on_loop([this] {
    state = model::PodState::kReady;
    side->settle();
  });
  EXPECT_EQ(second.get()->code, 0);
}

TEST_F(PodsSideTest, WhatIsNotMeshedWaitsForNothing) {
  auto pod = std::make_shared<model::Pod>(*snapshot.pods.begin()->second);
  pod->meta.labels[std::string(model::kMeshLabel)] = "disabled";
  on_loop([&] { snapshot.pods[pod->meta.key] = pod; });
  EXPECT_EQ(ask("/add", web("c1"))->code, 0);
}

TEST_F(PodsSideTest, DelIsAnsweredWhenTheEndIsApplied) {
  on_loop([this] { sandboxes.attach({"c1", "u1", "/run/netns/c1", {}}); });
  auto answer = ask_later("/del", web("c1"));
  ASSERT_TRUE(test::wait_until([this] { return changes_seen() == 1; }));
  EXPECT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  reconcile();
  EXPECT_EQ(answer.get()->code, 0);
}

// As after a restart of the agent on a node without a runtime's socket.
TEST_F(PodsSideTest, DelEndsAPodThatIsOnlyGuessed) {
  on_loop([this] {
    hold.netns["/proc/77/ns/net"] = {100, {"10.0.0.1"}, 11};
    sandboxes.merge({{"proc-u1", "u1", "/proc/77/ns/net", {}, true}}, sandboxes.now());
    enrolment.reconcile(
        {{"u1", "shop/web", "/proc/77/ns/net", {IpAddress::parse("10.0.0.1").value()}}});
  });
  ASSERT_TRUE(enrolment.has("u1"));
  auto answer = ask_later("/del", web("c1"));
  ASSERT_TRUE(test::wait_until([this] { return changes_seen() == 1; }));
  on_loop([this] {
    EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
    side->settle();
  });
  EXPECT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  on_loop([this] {
    enrolment.reconcile({});
    enrolment.release_retired([](const compile::LocalPod&) { return true; });
    side->settle();
  });
  EXPECT_EQ(answer.get()->code, 0);
}

TEST_F(PodsSideTest, ARepeatedDelOfAnOlderSandboxTakesNobodyOut) {
  on_loop([this] {
    sandboxes.merge({{"proc-u1", "u1", "/proc/77/ns/net", {}, true}}, sandboxes.now());
  });
  cni::Attachment about = web("older");
  about.netns.clear();
  EXPECT_EQ(ask("/del", about)->code, 0);
  on_loop([this] { EXPECT_NE(sandboxes.of_pod("u1"), nullptr); });
  EXPECT_EQ(changes_seen(), 0);
}

TEST_F(PodsSideTest, AnAgentThatIsNotInTheChainIsNotReady) {
  const auto missing = [this] {
    std::vector<admin::ReadinessTask> tasks;
    on_loop([&] {
      admin::Readiness readiness({});
      side->mark_chained(readiness);
      tasks = readiness.missing();
    });
    return tasks;
  };
  EXPECT_TRUE(missing().empty());
  std::filesystem::remove(folder + "/10-bridge.conflist");
  ASSERT_TRUE(test::wait_until([&] { return !missing().empty(); }));
  EXPECT_EQ(missing()[0].name, "cni_chained");
  EXPECT_THAT(missing()[0].detail, HasSubstr("install a CNI"));
}

TEST_F(PodsSideTest, ANodeThatLeavesIsOutOfTheChainForGood) {
  const std::string plugin = folder + "/keelson-cni";
  std::ofstream(plugin) << "plugin";
  PodsSideOptions options = options_with(folder);
  options.cni_plugin = plugin;
  options.socket_path = socket();
  on_loop([&] {
    side->shut();
    side = make(options);
    EXPECT_TRUE(side->start());
    side->chain();
    EXPECT_TRUE(std::filesystem::exists(conflist()));
    side->unchain();
    EXPECT_FALSE(std::filesystem::exists(conflist()));
    side->chain();
    EXPECT_FALSE(std::filesystem::exists(conflist()));
    EXPECT_TRUE(std::filesystem::exists(plugin));  // a start that is under way may call it
    admin::Readiness readiness({});
    side->mark_chained(readiness);
    EXPECT_TRUE(readiness.is_ready());
    EXPECT_TRUE(side->remove_plugin());
  });
  EXPECT_FALSE(std::filesystem::exists(plugin));
}

// An agent that follows one with CNI, and may still run beside it.
TEST_F(PodsSideTest, WithCniOffWhatAnEarlierAgentLeftGoesAndStaysAway) {
  ASSERT_TRUE(std::filesystem::exists(conflist()));
  const std::string text = cni::read_node_file(conflist()).value();
  const std::string plugin = folder + "/keelson-cni";
  std::ofstream(plugin) << "plugin";
  PodsSideOptions options = options_with(folder);
  options.is_cni_off = true;
  on_loop([&] {
    side->shut();
    side = make(options);
    EXPECT_TRUE(side->start());
    side->chain();
    admin::Readiness readiness({});
    side->mark_chained(readiness);
    EXPECT_TRUE(readiness.tasks().empty());
  });
  EXPECT_FALSE(std::filesystem::exists(conflist()));
  EXPECT_FALSE(std::filesystem::exists(plugin));
  std::ofstream(conflist()) << text;
  EXPECT_TRUE(test::wait_until([&] { return !std::filesystem::exists(conflist()); }));
}

// It tears pods down by the chain that they started with.
TEST_F(PodsSideTest, OnCriOThePluginStays) {
  const std::string plugin = folder + "/keelson-cni";
  std::ofstream(plugin) << "plugin";
  PodsSideOptions options = options_with(folder);
  options.is_cni_off = true;
  options.runtime = "/run/crio/crio.sock";
  on_loop([&] {
    side->shut();
    side = make(options);
    EXPECT_TRUE(side->start());
  });
  EXPECT_FALSE(std::filesystem::exists(conflist()));
  EXPECT_TRUE(std::filesystem::exists(plugin));
}

// A newer agent keeps the file: two that both repair it would fight.
TEST_F(PodsSideTest, ShutItWatchesTheConfigurationFileNoMore) {
  const auto watches = [] {
    const std::filesystem::directory_iterator fds("/proc/self/fd");
    return std::count_if(begin(fds), end(fds), [](const auto& fd) {
      std::error_code closed;  // what reads the folder is listed in it
      return std::filesystem::read_symlink(fd, closed) == "anon_inode:inotify";
    });
  };
  EXPECT_EQ(watches(), 1);
  on_loop([this] { side->shut(); });
  EXPECT_EQ(watches(), 0);
  EXPECT_TRUE(std::filesystem::exists(folder + "/00-keelson.conflist"));
}

}  // namespace
}  // namespace keelson
