// Control against a fake agent at the other end of a real SOCK_SEQPACKET socket.
#include "proxy/control.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "link/frames.h"
#include "link/memfd.h"
#include "support/wait_until.h"

namespace keelson::proxy {
namespace {

struct FakeApplier final : Applier {
  void on_maps(std::shared_ptr<const config::ProxyMaps>) override { maps++; }
  void apply(std::shared_ptr<const config::RuntimeConfig> config,
             std::function<void()> on_taken) override {
    applied.push_back(std::move(config));
    taken.push_back(std::move(on_taken));
    if (takes_at_once) taken.back()();
  }
  config::Stats stats() override {
    config::Stats stats;
    stats.connections_total = 7;
    return stats;
  }
  void count(Reason reason) override { counted.push_back(reason); }

  bool takes_at_once = true;
  int maps = 0;
  std::vector<std::shared_ptr<const config::RuntimeConfig>> applied;
  std::vector<std::function<void()>> taken;
  std::vector<Reason> counted;
};

class FakeAgent {
 public:
  explicit FakeAgent(const std::string& path) : path_(path) { listen(); }
  ~FakeAgent() { ::unlink(path_.c_str()); }

  void listen() {
    auto made = link::listen_seqpacket(path_, 0600);
    ASSERT_TRUE(made) << made.error().message();
    listener_ = std::move(*made);
  }
  void go_away() {
    listener_.reset();
    proxy_.reset();
    messages_.clear();
  }
  bool accept() {
    auto accepted = link::accept_seqpacket(listener_);
    if (!accepted) return false;
    proxy_ = std::move(*accepted);
    return true;
  }
  void send(const std::string& payload, std::span<const int> fds = {}) {
    auto sent = link::send_frame(proxy_, payload, fds);
    ASSERT_TRUE(sent) << sent.error().message();
  }
  void send_config(uint64_t generation) {
    config::RuntimeConfig config;
    config.generation = generation;
    config.node_name = "node-1";
    config.trust_domain = "cluster.local";
    const Fd map(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const auto& payload : config::encode_full(config, {map.get(), map.get(), {}}))
      send(payload.bytes, payload.fds);
  }
  // Everything that has arrived, oldest first.
  const std::vector<config::ProxyMessages>& messages() {
    while (proxy_) {
      auto frame = link::receive_frame(proxy_);
      if (!frame || frame->closed) break;
      auto decoded = config::decode_proxy_messages(frame->payload);
      EXPECT_TRUE(decoded);
      if (decoded) messages_.push_back(std::move(*decoded));
    }
    return messages_;
  }

 private:
  const std::string path_;
  Fd listener_;
  Fd proxy_;
  std::vector<config::ProxyMessages> messages_;
};

class ControlTest : public testing::Test {
 protected:
  bool run_until(const std::function<bool()>& holds) {
    return test::wait_until([&] {
      loop_.run_ready();
      return holds();
    });
  }
  bool run_until_acknowledged(uint64_t generation) {
    return run_until([&] {
      for (const auto& message : agent_->messages())
        if (message.ack == generation) return true;
      return false;
    });
  }
  void connect() {
    control_->connect();
    ASSERT_TRUE(run_until([&] { return agent_->accept(); }));
  }

  const std::string path_ = testing::TempDir() + "control-" + std::to_string(::getpid()) + ".sock";
  std::unique_ptr<FakeAgent> agent_ = std::make_unique<FakeAgent>(path_);
  FakeApplier applier_;
  io::EventLoop loop_;
  std::unique_ptr<Control> control_ =
      std::make_unique<Control>(loop_,
                                Control::Options{path_,
                                                 {config::kLinkProtocolVersion, "test", 1, 2},
                                                 -1,
                                                 std::chrono::milliseconds(1),
                                                 std::chrono::milliseconds(5)},
                                applier_);
};

TEST_F(ControlTest, SaysHelloServesAFullConfigurationAndAcknowledgesIt) {
  connect();
  agent_->send_config(5);
  ASSERT_TRUE(run_until_acknowledged(5));
  ASSERT_TRUE(agent_->messages()[0].hello);
  EXPECT_EQ(agent_->messages()[0].hello->workers, 2u);
  ASSERT_EQ(applier_.applied.size(), 1u);
  EXPECT_EQ(applier_.applied[0]->node_name, "node-1");
  EXPECT_EQ(applier_.maps, 1);
  EXPECT_EQ(control_->generation(), 5u);
}

TEST_F(ControlTest, AcknowledgesOnlyWhenEveryWorkerHasTakenIt) {
  applier_.takes_at_once = false;
  connect();
  agent_->send_config(5);
  ASSERT_TRUE(run_until([&] { return applier_.taken.size() == 1; }));
  for (const auto& message : agent_->messages()) EXPECT_FALSE(message.ack);
  EXPECT_EQ(control_->generation(), 0u);
  applier_.taken[0]();
  EXPECT_TRUE(run_until_acknowledged(5));
}

TEST_F(ControlTest, ANackKeepsTheLastGoodConfiguration) {
  connect();
  agent_->send_config(5);
  ASSERT_TRUE(run_until_acknowledged(5));
  // Key material that is no sealed memfd: the whole change set is refused.
  config::RuntimeConfig config;
  config.generation = 6;
  config.identities[1] = std::make_shared<const config::Identity>(config::Identity{
      "cluster.local/ns/shop/sa/cart", std::make_shared<const std::string>("key")});
  const Fd map(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const auto& payload : config::encode_full(config, {map.get(), map.get(), {{1, map.get()}}}))
    agent_->send(payload.bytes, payload.fds);
  ASSERT_TRUE(run_until([&] {
    const auto& messages = agent_->messages();
    return !messages.empty() && messages.back().nack;
  }));
  EXPECT_EQ(agent_->messages().back().nack->generation, 6u);
  EXPECT_EQ(applier_.applied.size(), 1u);
  EXPECT_EQ(control_->generation(), 5u);
  agent_->send_config(7);
  ASSERT_TRUE(run_until_acknowledged(7));
}

TEST_F(ControlTest, AnUnreadablePacketEndsTheConnectionAndItComesAgain) {
  connect();
  agent_->send_config(5);
  ASSERT_TRUE(run_until_acknowledged(5));
  agent_->send("\xff\xff not a packet");
  ASSERT_TRUE(run_until([&] { return agent_->accept(); }));
  EXPECT_EQ(applier_.counted, std::vector<Reason>{Reason::message_malformed});
  EXPECT_EQ(control_->generation(), 5u) << "the last good one serves on";
  agent_->send_config(6);
  EXPECT_TRUE(run_until_acknowledged(6));
}

TEST_F(ControlTest, ServesOnWhileTheAgentIsAwayAndConnectsToTheNextOne) {
  connect();
  agent_->send_config(5);
  ASSERT_TRUE(run_until_acknowledged(5));
  agent_->go_away();
  ASSERT_TRUE(run_until([&] { return !control_->is_connected(); }));
  EXPECT_EQ(control_->generation(), 5u);
  agent_->listen();
  ASSERT_TRUE(run_until([&] { return agent_->accept(); }));
  agent_->send_config(8);
  EXPECT_TRUE(run_until_acknowledged(8));
  EXPECT_TRUE(agent_->messages()[0].hello);
}

TEST_F(ControlTest, AnAcknowledgementNeverGoesToALaterConnection) {
  applier_.takes_at_once = false;
  connect();
  agent_->send_config(5);
  ASSERT_TRUE(run_until([&] { return applier_.taken.size() == 1; }));
  agent_->go_away();
  ASSERT_TRUE(run_until([&] { return !control_->is_connected(); }));
  agent_->listen();
  ASSERT_TRUE(run_until([&] { return agent_->accept(); }));
  applier_.taken[0]();
  agent_->send(config::encode_stats_request());
  ASSERT_TRUE(run_until([&] { return agent_->messages().size() >= 2; }));
  EXPECT_TRUE(agent_->messages()[1].stats);
  EXPECT_FALSE(agent_->messages()[1].ack);
}

TEST_F(ControlTest, AnswersForStatistics) {
  connect();
  agent_->send(config::encode_stats_request());
  ASSERT_TRUE(run_until([&] { return agent_->messages().size() >= 2; }));
  ASSERT_TRUE(agent_->messages()[1].stats);
  EXPECT_EQ(agent_->messages()[1].stats->connections_total, 7u);
}

TEST_F(ControlTest, WaitsForAnAgentThatIsNotThereYet) {
  agent_->go_away();
  ::unlink(path_.c_str());
  control_->connect();
  EXPECT_FALSE(control_->is_connected());
  agent_->listen();
  EXPECT_TRUE(run_until([&] { return agent_->accept(); }));
}

}  // namespace
}  // namespace keelson::proxy
