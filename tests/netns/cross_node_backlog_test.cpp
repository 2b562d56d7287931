// Without a proxy, a connection to a mesh pod of another node waits; nothing goes out in the clear.
#include "support/netns_lab.h"
#include "support/packet_watch.h"

namespace keelson::test {
namespace {

struct CrossNodeBacklog : LabTest<CrossNodeBacklog> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + namespace_yaml("plain", false) +
                        service_yaml("shop", "pay", 80, 8080) + pod_yaml("shop", "pay", "node2") +
                        pod_yaml("shop", "web", "node1") + pod_yaml("plain", "old", "node1") +
                        pod_yaml("plain", "older", "node2")};
  }
};

TEST_F(CrossNodeBacklog, ACapturedConnectionWaitsAndNoByteOfItIsOnTheLink) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  TcpServer older(lab().netns("older"), 8080);
  PacketWatch link(lab().netns("node1"), "eth0");
  for (const Endpoint& to : {lab().service4("shop", "pay", 80), lab().service6("shop", "pay", 80),
                             lab().pod4("pay", 8080), lab().pod6("pay", 8080)}) {
    auto captured = connect_in(lab().netns("web"), to);
    ASSERT_EQ(captured.error, 0) << to.to_string() << " " << strerror(captured.error);
    EXPECT_EQ(captured.peer, to);
    ASSERT_TRUE(captured.send("secret-marker-of-web"));
    // What is unmeshed does cross, after it: so the watch works, and time enough has passed.
    const std::string proof = "plain-marker-" + to.to_string();
    auto plain = connect_in(lab().netns("old"), lab().pod4("older", 8080));
    ASSERT_TRUE(plain.send(proof));
    ASSERT_TRUE(wait_until([&] { return link.has_seen(proof); }));
    EXPECT_FALSE(link.has_seen("secret-marker-of-web")) << to.to_string();
    EXPECT_EQ(link.tcp_payload_bytes(80), 0u);
  }
  EXPECT_EQ(pay.accepted(), 0u);
  EXPECT_GE(lab().counter("node1", "captured"), 4u);
}

}  // namespace
}  // namespace keelson::test
