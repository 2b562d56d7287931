// PeerAuthentication: STRICT refuses plaintext from outside the mesh, PERMISSIVE judges it.
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

std::string peer_authentication(std::string_view mode) {
  return "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
         "metadata: {name: default, namespace: shop}\nspec:\n  mtls: {mode: " +
         std::string(mode) + "}\n";
}

struct Strict : LabTest<Strict> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + namespace_yaml("plain", false) +
                        pod_yaml("shop", "pay", "node1") + pod_yaml("shop", "web", "node1") +
                        pod_yaml("plain", "old", "node1") + pod_yaml("plain", "older", "node2")};
  }
};

TEST_F(Strict, PlaintextFromOutsideIsRefusedWhileStrictAndOnlyThen) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  for (const Endpoint& to : {lab().pod4("pay", 8080), lab().pod6("pay", 8080)}) {
    const auto is_refused_from = [&](std::string_view pod) {
      return connect_in(lab().netns(pod), to).error == ECONNREFUSED;
    };
    EXPECT_FALSE(is_refused_from("old"));
    EXPECT_FALSE(is_refused_from("older"));
    lab().apply(peer_authentication("STRICT"), "mode.yaml");
    EXPECT_TRUE(wait_until([&] { return is_refused_from("old"); }));
    EXPECT_TRUE(wait_until([&] { return is_refused_from("older"); }));
    EXPECT_TRUE(connect_in(lab().netns("web"), to).is_open()) << "attested, on the same node";
    lab().apply(peer_authentication("PERMISSIVE"), "mode.yaml");
    EXPECT_TRUE(wait_until([&] { return !is_refused_from("old"); }));
    EXPECT_TRUE(wait_until([&] { return !is_refused_from("older"); }));
  }
  EXPECT_GT(lab().counter("node1", "strict_plaintext"), 0u);
}

}  // namespace
}  // namespace keelson::test
