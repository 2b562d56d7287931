// PeerAuthentication between nodes: STRICT refuses what comes unencrypted, and only that.
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

std::string peer_authentication(std::string_view mode) {
  return "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
         "metadata: {name: default, namespace: shop}\nspec:\n  mtls: {mode: " +
         std::string(mode) + "}\n";
}

struct StrictMtls : LabTest<StrictMtls> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + namespace_yaml("plain", false) +
                        service_yaml("shop", "pay", 80, 8080) + pod_yaml("shop", "pay", "node2") +
                        pod_yaml("shop", "web", "node1") + pod_yaml("plain", "old", "node1") +
                        pod_yaml("plain", "older", "node2"),
            .without = {}};
  }
  std::string greeting(std::string_view from, const Endpoint& to) {
    auto connection = connect_in(lab().netns(from), to);
    return connection.is_open() ? connection.receive(6) : strerror(connection.error);
  }
};

TEST_F(StrictMtls, UnmeshedPlaintextIsRefusedWhileStrictAndTheMeshGoesOn) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  for (const Endpoint& to : {lab().pod4("pay", 8080), lab().pod6("pay", 8080)}) {
    for (std::string_view plain : {"old", "older"}) {
      lab().apply(peer_authentication("PERMISSIVE"), "mode.yaml");
      EXPECT_TRUE(wait_until([&] { return greeting(plain, to) == "hello\n"; })) << to.to_string();
      EXPECT_EQ(greeting("web", to), "hello\n") << to.to_string();
      lab().apply(peer_authentication("STRICT"), "mode.yaml");
      EXPECT_TRUE(wait_until([&] { return greeting(plain, to) == strerror(ECONNREFUSED); }))
          << to.to_string();
      EXPECT_EQ(greeting("web", to), "hello\n") << "through mutual TLS " << to.to_string();
    }
  }
  EXPECT_EQ(greeting("web", lab().service4("shop", "pay", 80)), "hello\n");
  EXPECT_EQ(greeting("web", lab().service6("shop", "pay", 80)), "hello\n");
  EXPECT_GT(lab().counter("node2", "strict_plaintext"), 0u);
}

}  // namespace
}  // namespace keelson::test
