// The gate over a fake Enroller, asked by the plugin's own end on a real Unix socket.
#include "cni/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>
#include <map>
#include <thread>

#include "cni/agent_line.h"
#include "serving/http_server.h"
#include "support/wait_until.h"

namespace keelson::cni {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

class FakeEnroller final : public Enroller {
 public:
  Expected<void> attach(const Attachment& attachment) override {
    attached.push_back(attachment.container_id);
    if (refuses) return tl::unexpected(CniError{kInvalidConfig, "no address", "fix"});
    return {};
  }
  void detach(const Attachment& attachment) override {
    detached.push_back(attachment.container_id);
  }
  void keep_only(const std::set<std::string>& ids) override { kept = ids; }
  Standing standing(const PodRef& pod) const override {
    const auto found = standings.find(pod.name);
    return found == standings.end() ? Standing{Standing::State::kWaiting, "waits for hold", "wait"}
                                    : found->second;
  }
  bool is_out(const std::string&) const override { return out; }
  Expected<void> uninstall() override {
    ++uninstalled;
    return {};
  }
  std::vector<std::string> attached, detached;
  std::set<std::string> kept;
  std::map<std::string, Standing> standings;
  bool refuses = false;
  bool out = true;
  int uninstalled = 0;
};

class GateTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/keelson-gate-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder = path;
    gate = std::make_unique<Gate>(loop, clock, enroller);
    serving::HttpLimits limits;
    limits.body_bytes_max = 65536;
    server = std::make_unique<serving::HttpServer>(loop, *gate, limits);
    ASSERT_TRUE(server->listen_unix(socket()));
    thread = std::thread([this] { loop.run(); });
  }
  void TearDown() override {
    on_loop([this] {
      server.reset();
      gate.reset();
      loop.stop();
    });
    thread.join();
    std::filesystem::remove_all(folder);
  }
  std::string socket() const { return folder + "/cni.sock"; }
  void on_loop(std::function<void()> work) {
    std::promise<void> done;
    ASSERT_TRUE(loop.post([&] {
      work();
      done.set_value();
    }));
    done.get_future().wait();
  }
  size_t waiting() {
    size_t count = 0;
    on_loop([&] { count = gate->waiting(); });
    return count;
  }
  static Attachment attachment(const std::string& pod) {
    return {"c-" + pod, "/run/netns/" + pod, "eth0", {"shop", pod, "u-" + pod}, {"10.0.0.1"}, true,
            30};
  }
  Expected<CniError> ask(const std::string& path, const Attachment& about,
                         milliseconds limit = milliseconds(20'000)) {
    return SocketAgentLine(milliseconds(5)).ask(socket(), path, encode_attachment(about), limit);
  }
  std::future<Expected<CniError>> ask_later(const std::string& path, const Attachment& about,
                                            milliseconds limit = milliseconds(20'000)) {
    return std::async(std::launch::async, [=, this] { return ask(path, about, limit); });
  }

  std::string folder;
  SystemClock clock;
  io::EventLoop loop;
  FakeEnroller enroller;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<serving::HttpServer> server;
  std::thread thread;
};

TEST_F(GateTest, APodThatIsNotMeshedPassesAtOnce) {
  enroller.standings["web"] = {Standing::State::kNotMeshed, "", ""};
  const auto answer = ask("/add", attachment("web"));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->code, 0);
  EXPECT_THAT(enroller.attached, ElementsAre("c-web"));
}

TEST_F(GateTest, AddIsAnsweredWhenThePodIsEnrolled) {
  auto answer = ask_later("/add", attachment("web"));
  ASSERT_TRUE(test::wait_until([&] { return waiting() == 1; }));
  on_loop([&] { gate->settle(); });  // something else has changed
  EXPECT_EQ(waiting(), 1u);
  on_loop([&] {
    enroller.standings["web"] = {Standing::State::kEnrolled, "", ""};
    gate->settle();
  });
  EXPECT_EQ(answer.get()->code, 0);
  EXPECT_EQ(waiting(), 0u);
}

TEST_F(GateTest, OnePodsWaitHoldsNoOtherUp) {
  auto first = ask_later("/add", attachment("web"));
  ASSERT_TRUE(test::wait_until([&] { return waiting() == 1; }));
  on_loop([&] { enroller.standings["cart"] = {Standing::State::kEnrolled, "", ""}; });
  EXPECT_EQ(ask("/add", attachment("cart"))->code, 0);
  EXPECT_EQ(waiting(), 1u);
  on_loop([&] {
    enroller.standings["web"] = {Standing::State::kEnrolled, "", ""};
    gate->settle();
  });
  EXPECT_EQ(first.get()->code, 0);
}

TEST_F(GateTest, WhenTheTimeIsOverTheStepIsNamed) {
  Attachment about = attachment("web");
  about.timeout_seconds = 1;
  const auto answer = ask("/add", about);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->code, kTryAgainLater);
  EXPECT_EQ(answer->message, "not enrolled in 1 s: waits for hold");
  EXPECT_THAT(answer->details, HasSubstr("wait;"));
}

TEST_F(GateTest, ARefusedPodIsToldSoAtOnce) {
  enroller.standings["web"] = {Standing::State::kRefused, "all slots are used", "fewer pods"};
  const auto answer = ask("/add", attachment("web"));
  EXPECT_EQ(answer->code, kPodRefused);
  EXPECT_EQ(answer->message, "all slots are used");
}

TEST_F(GateTest, AnExemptPodDoesNotWait) {
  Attachment about = attachment("dns");
  about.waits = false;
  EXPECT_EQ(ask("/add", about)->code, 0);
  EXPECT_THAT(enroller.attached, ElementsAre("c-dns"));
}

TEST_F(GateTest, AnAttachmentThatMakesNoSenseIsRefused) {
  enroller.refuses = true;
  EXPECT_EQ(ask("/add", attachment("web"))->code, kInvalidConfig);
}

TEST_F(GateTest, APluginThatGoesAwayWaitsNoLonger) {
  const auto answer = ask("/add", attachment("web"), milliseconds(100));
  EXPECT_FALSE(answer);
  EXPECT_TRUE(test::wait_until([&] { return waiting() == 0; }));
}

TEST_F(GateTest, DelIsAnsweredWhenThePodIsOut) {
  enroller.out = false;
  auto answer = ask_later("/del", attachment("web"));
  ASSERT_TRUE(test::wait_until([&] { return waiting() == 1; }));
  EXPECT_THAT(enroller.detached, ElementsAre("c-web"));
  on_loop([&] {
    enroller.out = true;
    gate->settle();
  });
  EXPECT_EQ(answer.get()->code, 0);
}

TEST_F(GateTest, CheckAnswersForNow) {
  EXPECT_EQ(ask("/check", attachment("web"))->code, kTryAgainLater);
  enroller.standings["web"] = {Standing::State::kEnrolled, "", ""};
  EXPECT_EQ(ask("/check", attachment("web"))->code, 0);
}

TEST_F(GateTest, GcAndUninstallArePassedOn) {
  SocketAgentLine line;
  EXPECT_EQ(
      line.ask(socket(), "/gc", encode_valid_containers({"a", "b"}), milliseconds(5000))->code, 0);
  EXPECT_THAT(enroller.kept, ElementsAre("a", "b"));
  EXPECT_EQ(line.ask(socket(), "/uninstall", "{}", milliseconds(5000))->code, 0);
  EXPECT_EQ(enroller.uninstalled, 1);
}

TEST_F(GateTest, WhatItDoesNotUnderstandItRefuses) {
  SocketAgentLine line;
  for (const auto& [path, body] : std::map<std::string, std::string>{
           {"/add", "{}"}, {"/gc", "[1]"}, {"/move", encode_attachment(attachment("x"))}}) {
    const auto answer = line.ask(socket(), path, body, milliseconds(50));
    ASSERT_FALSE(answer) << path;
    EXPECT_THAT(answer.error().message, HasSubstr("refuses")) << path;
  }
  const auto large = line.ask(socket(), "/gc", std::string(100'000, ' '), milliseconds(50));
  EXPECT_FALSE(large);
}

}  // namespace
}  // namespace keelson::cni
