// A policy change cuts what it now denies within two seconds, and nothing else.
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

struct Cut : LabTest<Cut> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + account_yaml("shop", "web") +
                        pod_yaml("shop", "pay", "node1") + pod_yaml("shop", "web", "node1", "web") +
                        pod_yaml("shop", "cart", "node1")};
  }
};

TEST_F(Cut, ANewDenyEndsTheConnectionsThatItDeniesAndOnlyThose) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  std::vector<Connection> denied, kept;
  for (const Endpoint& to : {lab().pod4("pay", 8080), lab().pod6("pay", 8080)}) {
    denied.push_back(connect_in(lab().netns("web"), to));
    kept.push_back(connect_in(lab().netns("cart"), to));
    ASSERT_EQ(denied.back().receive(6), "hello\n");
    ASSERT_EQ(kept.back().receive(6), "hello\n");
  }
  const auto saved = std::chrono::steady_clock::now();
  lab().apply(deny_yaml("shop", "no-web", "pay", "cluster.local/ns/shop/sa/web"), "deny.yaml");
  for (const Connection& connection : denied)
    EXPECT_EQ(connection.wait_for_end(std::chrono::seconds(5)), ECONNRESET);
  EXPECT_LE(std::chrono::steady_clock::now() - saved, std::chrono::seconds(2));
  for (const Connection& connection : kept) {
    EXPECT_TRUE(connection.send("ping"));
    EXPECT_EQ(connection.receive(4), "ping");
  }
  EXPECT_TRUE(wait_until(
      [&] { return !connect_in(lab().netns("web"), lab().pod4("pay", 8080)).is_open(); }));
  lab().remove("AuthorizationPolicy", "shop/no-web");
  EXPECT_TRUE(wait_until(
      [&] { return connect_in(lab().netns("web"), lab().pod4("pay", 8080)).is_open(); }));
}

}  // namespace
}  // namespace keelson::test
