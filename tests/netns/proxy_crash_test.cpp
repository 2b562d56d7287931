// kill -9 of what runs a node, under load: direct flows do not notice, what a dead proxy held is
// reset and never ended cleanly, new captured connections wait, and no byte goes out in the clear.
#include "support/call_loop.h"
#include "support/netns_lab.h"
#include "support/netns_thread.h"
#include "support/packet_watch.h"

namespace keelson::test {
namespace {

using lab::Component;
constexpr char kMarker[] = "secret-marker-of-web";

struct ProxyCrash : LabTest<ProxyCrash> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + service_yaml("shop", "pay", 80, 8080) +
                        service_yaml("shop", "ads", 80, 8080) + pod_yaml("shop", "pay", "node2") +
                        pod_yaml("shop", "ads", "node1") + pod_yaml("shop", "web", "node1"),
            .without = {}};
  }
  void SetUp() override {
    LabTest<ProxyCrash>::SetUp();
    ASSERT_TRUE(lab().wait_settled());
  }

  // Opened before the kill; its other end is in pay.
  Connection open_captured() {
    auto connection = connect_in(lab().netns("web"), lab().service4("shop", "pay", 80));
    EXPECT_EQ(connection.receive(6, kPatience), "hello\n");
    EXPECT_TRUE(connection.send(kMarker));
    EXPECT_EQ(connection.receive(sizeof kMarker - 1), kMarker);
    return connection;
  }

  // Made while something is dead or starting: it waits in the backlog, and then it is served.
  void expect_a_call_waits() {
    CallTally waiting;
    in_namespace(lab().netns("web"), [&] {
      make_call({lab().service6("shop", "pay", 80), kMarker}, waiting);
    });
    EXPECT_EQ(waiting.succeeded, 1u) << waiting.text();
  }

  uint64_t streams_lost(const std::string& node) {
    return lab().agent_status(node).value("/proxy/streams_lost_total"_json_pointer, uint64_t{0});
  }

  void expect_survival(const std::vector<Component>& killed, const std::string& node) {
    const bool is_proxy_killed =
        std::find(killed.begin(), killed.end(), Component::kProxy) != killed.end();
    TcpServer pay(lab().netns("pay"), 8080), ads(lab().netns("ads"), 8080);
    PacketWatch link(lab().netns("node1"), "eth0", kMarker);
    const std::string web = lab().netns("web");
    Connection established = open_captured();
    CallLoop direct(web, {lab().service4("shop", "ads", 80), kMarker});
    CallLoop captured(web, {lab().service4("shop", "pay", 80), kMarker});
    ASSERT_TRUE(wait_until(
        [&] { return direct.tally().succeeded > 20 && captured.tally().succeeded > 20; }));
    const uint64_t lost_before = streams_lost(node);
    for (Component component : killed) lab().kill(component, node);
    if (is_proxy_killed) {
      EXPECT_EQ(established.wait_for_end(kPatience), ECONNRESET);
    }
    // An agent that dies with the proxy cannot know what it carried.
    if (is_proxy_killed && killed.size() == 1) {
      EXPECT_TRUE(wait_until([&] { return streams_lost(node) > lost_before; }));
      const std::string metrics = lab().admin(node, "/metrics").body;
      EXPECT_NE(metrics.find("keelson_proxy_streams_lost_total"), std::string::npos);
    }
    if (killed.size() < std::size(lab::kComponents)) expect_a_call_waits();
    const size_t after_kill = captured.tally().succeeded;
    EXPECT_TRUE(wait_until([&] { return captured.tally().succeeded > after_kill + 20; }))
        << captured.tally().text();
    if (!is_proxy_killed) {
      EXPECT_TRUE(established.send("still"));
      EXPECT_EQ(established.receive(5), "still");
      EXPECT_EQ(captured.tally().failed(), 0u) << captured.tally().text();
    }
    if (!is_proxy_killed) {
      EXPECT_EQ(streams_lost(node), killed[0] == Component::kAgent ? 0 : lost_before);
    }
    const CallTally calls = captured.stop(), direct_calls = direct.stop();
    EXPECT_EQ(direct_calls.failed(), 0u) << direct_calls.text();
    EXPECT_EQ(calls.cut_short + calls.corrupted + calls.timed_out, 0u) << calls.text();
    EXPECT_GT(link.frames(), 100u);
    EXPECT_FALSE(link.has_seen(kMarker));
    EXPECT_TRUE(lab().wait_ready());
  }
};

TEST_F(ProxyCrash, TheProxyOfTheClientsNode) {
  expect_survival({Component::kProxy}, "node1");
}

TEST_F(ProxyCrash, TheProxyOfTheServersNode) {
  expect_survival({Component::kProxy}, "node2");
}

TEST_F(ProxyCrash, AgentAndProxyAtOnce) {
  expect_survival({Component::kAgent, Component::kProxy}, "node1");
}

TEST_F(ProxyCrash, TheAgentAlone) {
  expect_survival({Component::kAgent}, "node1");
}

TEST_F(ProxyCrash, HoldAlone) {
  expect_survival({Component::kHold}, "node1");
}

// Nobody is left who holds the listeners: until hold has made new ones, calls are refused.
TEST_F(ProxyCrash, AllThreeOfTheClientsNode) {
  expect_survival({Component::kHold, Component::kAgent, Component::kProxy}, "node1");
}

}  // namespace
}  // namespace keelson::test
