// Same node, L4 only: the kernel path without a proxy, and both ends see whom they talk to.
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

struct DirectPath : LabTest<DirectPath> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + account_yaml("shop", "web") +
                        service_yaml("shop", "pay", 80, 8080) + pod_yaml("shop", "pay", "node1") +
                        pod_yaml("shop", "web", "node1", "web")};
  }

  void expect_direct(const Endpoint& service, const std::string& client_address) {
    const uint64_t direct_before = lab().counter("node1", "direct");
    TcpServer pay(lab().netns("pay"), 8080);
    auto connection = connect_in(lab().netns("web"), service);
    ASSERT_EQ(connection.error, 0) << strerror(connection.error);
    EXPECT_EQ(connection.receive(6), "hello\n");
    EXPECT_EQ(connection.peer, service) << "the client must see the Service that it dialled";
    ASSERT_EQ(pay.accepted(), 1u);
    const Endpoint client = endpoint(client_address, connection.local.port);
    EXPECT_EQ(pay.accept_peers()[0], client);
    EXPECT_EQ(pay.getpeername_peers()[0], client);
    EXPECT_TRUE(wait_until([&] { return lab().counter("node1", "direct") > direct_before; }));
  }
};

TEST_F(DirectPath, OverIpv4TheClientSeesTheServiceAndTheServerSeesTheClient) {
  ASSERT_TRUE(lab().wait_settled());
  expect_direct(lab().service4("shop", "pay", 80), lab().pod("web").ip4);
}

TEST_F(DirectPath, OverIpv6TheClientSeesTheServiceAndTheServerSeesTheClient) {
  ASSERT_TRUE(lab().wait_settled());
  expect_direct(lab().service6("shop", "pay", 80), lab().pod("web").ip6);
}

TEST_F(DirectPath, AFlowEventNamesBothPodsAndTheService) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  auto connection = connect_in(lab().netns("web"), lab().service4("shop", "pay", 80));
  ASSERT_TRUE(connection.is_open());
  EXPECT_TRUE(wait_until([&] {
    for (const auto& flow : lab().flows("node1", "last=50&verdict=allowed&from=shop%2Fweb"))
      if (flow["to"] == "shop/pay" && flow["service"] == "shop/pay" && flow["path"] == "direct" &&
          flow["from_identity"] == "cluster.local/ns/shop/sa/web")
        return true;
    return false;
  }));
}

TEST_F(DirectPath, BytesArriveWholeInBothDirections) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080, "");
  auto connection = connect_in(lab().netns("web"), lab().service4("shop", "pay", 80));
  ASSERT_TRUE(connection.is_open());
  for (int i = 0; i < 20; ++i) {
    std::string part = std::to_string(i) + ":" + std::string(1000, static_cast<char>('a' + i));
    ASSERT_TRUE(connection.send(part));
    EXPECT_EQ(connection.receive(part.size()), part);
  }
}

}  // namespace
}  // namespace keelson::test
