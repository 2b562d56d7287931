// Probes from the node reach the ports that a pod names in its probes, also under STRICT; nothing
// else on the node's side gets in.
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

struct Probe : LabTest<Probe> {
  static NetnsLabOptions options() {
    return {.manifest =
                namespace_yaml("shop", true) +
                pod_yaml("shop", "pay", "node1", "default",
                         "  containers:\n  - name: main\n"
                         "    livenessProbe: {tcpSocket: {port: 8080}}\n"
                         "    ports: [{name: http, containerPort: 8080}]\n") +
                "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
                "metadata: {name: default, namespace: shop}\nspec:\n  mtls: {mode: STRICT}\n"};
  }
};

TEST_F(Probe, TheNodeReachesTheProbedPortAndNoOther) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer app(lab().netns("pay"), 8080);
  TcpServer admin_port(lab().netns("pay"), 9090);
  const std::string node = lab().netns("node1");
  for (std::string address : {lab().pod("pay").ip4, lab().pod("pay").ip6}) {
    auto probe = connect_in(node, endpoint(address, 8080));
    EXPECT_EQ(probe.error, 0) << address << " " << strerror(probe.error);
    EXPECT_EQ(probe.receive(6), "hello\n");
    EXPECT_EQ(connect_in(node, endpoint(address, 9090)).error, ECONNREFUSED) << address;
  }
  EXPECT_EQ(admin_port.accepted(), 0u);
  EXPECT_GE(lab().counter("node1", "probe"), 2u);
}

TEST_F(Probe, AnotherNodesProcessIsNoProbe) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer app(lab().netns("pay"), 8080);
  EXPECT_EQ(connect_in(lab().netns("node2"), lab().pod4("pay", 8080)).error, ECONNREFUSED);
}

}  // namespace
}  // namespace keelson::test
