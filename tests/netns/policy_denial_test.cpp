// A DENY on a principal: refused at once, counted, explained, and not dodged by looking anonymous.
#include "lab_command.h"
#include "support/netns_lab.h"
#include "support/packet_watch.h"
#include "support/raw_tcp.h"

namespace keelson::test {
namespace {

struct PolicyDenial : LabTest<PolicyDenial> {
  static NetnsLabOptions options() {
    return {.manifest =
                namespace_yaml("shop", true) + namespace_yaml("outlaw", true) +
                account_yaml("outlaw", "mallory") + service_yaml("shop", "pay", 80, 8080) +
                pod_yaml("shop", "pay", "node1") + pod_yaml("shop", "web", "node1") +
                pod_yaml("outlaw", "mallory", "node1", "mallory") +
                deny_yaml("shop", "no-mallory", "pay", "cluster.local/ns/outlaw/sa/mallory")};
  }
  static bool is_refusal(int error) {
    return error == EPERM || error == ECONNREFUSED || error == ECONNRESET;
  }
};

TEST_F(PolicyDenial, MalloryIsRefusedAtOnceOverBothFamiliesAndOthersAreNot) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  for (const Endpoint& to : {lab().service4("shop", "pay", 80), lab().service6("shop", "pay", 80),
                             lab().pod4("pay", 8080), lab().pod6("pay", 8080)}) {
    auto denied = connect_in(lab().netns("mallory"), to);
    EXPECT_TRUE(is_refusal(denied.error)) << to.to_string() << " " << strerror(denied.error);
    EXPECT_LT(denied.took.count(), 500) << "a refusal must not wait for a timeout";
    auto allowed = connect_in(lab().netns("web"), to);
    EXPECT_EQ(allowed.error, 0) << to.to_string() << " " << strerror(allowed.error);
  }
  EXPECT_TRUE(wait_until([&] { return pay.accepted() == 4; }));
}

TEST_F(PolicyDenial, TheRefusalIsCountedAndObserveNamesThePolicy) {
  ASSERT_TRUE(lab().wait_settled());
  const uint64_t before = lab().counter("node1", "policy_denied");
  auto denied = connect_in(lab().netns("mallory"), lab().service4("shop", "pay", 80));
  ASSERT_TRUE(is_refusal(denied.error)) << strerror(denied.error);
  EXPECT_TRUE(wait_until([&] { return lab().counter("node1", "policy_denied") > before; }));
  EXPECT_TRUE(wait_until([&] {
    for (const auto& flow : lab().flows("node1", "last=50&verdict=denied"))
      if (flow["from"] == "outlaw/mallory" && flow["to"] == "shop/pay" &&
          flow["policy"] == "shop/no-mallory" && flow["reason"] == "policy_denied")
        return true;
    return false;
  }));
}

TEST_F(PolicyDenial, ASynThatNoConnectCallMadeGetsNoConnection) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  PacketWatch at_pay(lab().netns("pay"), "eth0");
  const Endpoint from = lab().pod4("mallory", 41234);
  ASSERT_TRUE(send_syn(lab().netns("mallory"), from, lab().pod4("pay", 8080)));
  EXPECT_TRUE(wait_until([&] {
    return at_pay.segments(8080, 41234, PacketWatch::kRst | PacketWatch::kAck) >= 1;
  })) << "refusing a SYN answers with a reset";
  EXPECT_EQ(at_pay.segments(8080, 41234, PacketWatch::kSyn | PacketWatch::kAck), 0u);
  EXPECT_EQ(pay.accepted(), 0u);
}

TEST_F(PolicyDenial, ASynWithAnotherPodsAddressNeverReachesTheReceiver) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  PacketWatch at_pay(lab().netns("pay"), "eth0");
  // mallory takes web's address, which its own kernel lets it do.
  const std::string mallory = lab().netns("mallory");
  auto added = lab::run(
      {.argv = {"ip", "addr", "add", lab().pod("web").ip4 + "/32", "dev", "lo"}, .netns = mallory});
  ASSERT_TRUE(added);
  const uint64_t before = lab().counter("node1", "source_spoofed");
  ASSERT_TRUE(send_syn(mallory, lab().pod4("web", 41235), lab().pod4("pay", 8080)));
  EXPECT_TRUE(wait_until([&] { return lab().counter("node1", "source_spoofed") > before; }));
  EXPECT_EQ(at_pay.segments(41235, 8080, PacketWatch::kSyn), 0u);
  [[maybe_unused]] auto removed = lab::run(
      {.argv = {"ip", "addr", "del", lab().pod("web").ip4 + "/32", "dev", "lo"}, .netns = mallory});
}

}  // namespace
}  // namespace keelson::test
