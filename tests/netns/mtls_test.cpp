// Between nodes: mutual TLS on the wire, and two programs that notice nothing of it.
#include <future>

#include "support/netns_lab.h"
#include "support/packet_watch.h"

namespace keelson::test {
namespace {

constexpr size_t kMebibyte = 1 << 20;

struct Mtls : LabTest<Mtls> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + account_yaml("shop", "web") +
                        service_yaml("shop", "pay", 80, 8080) + pod_yaml("shop", "pay", "node2") +
                        pod_yaml("shop", "web", "node1", "web"),
            .without = {}};
  }
  void SetUp() override {
    LabTest<Mtls>::SetUp();
    ASSERT_TRUE(lab().wait_settled());
  }

  std::vector<Endpoint> services() {
    return {lab().service4("shop", "pay", 80), lab().service6("shop", "pay", 80)};
  }
  // A connection's two ends. The patience is for the first one after the lab started.
  struct Pair {
    Connection client, server;
    bool is_open() const { return client.is_open() && server.is_open(); }
  };
  Pair connect_pair(const Acceptor& pay, const Endpoint& to) {
    Pair pair;
    pair.client = connect_in(lab().netns("web"), to);
    pair.server = pay.accept(kPatience);
    return pair;
  }
};

TEST_F(Mtls, AMarkerSentBothWaysIsNotOnTheLinkButTlsRecordsAre) {
  Acceptor pay(lab().netns("pay"), 8080);
  for (const Endpoint& to : services()) {
    PacketWatch link(lab().netns("node1"), "eth0");
    auto [client, server] = connect_pair(pay, to);
    ASSERT_TRUE(client.is_open() && server.is_open()) << to.to_string();
    ASSERT_TRUE(client.send("secret-marker-of-web"));
    EXPECT_EQ(server.receive(20), "secret-marker-of-web");
    ASSERT_TRUE(server.send("secret-marker-of-pay"));
    EXPECT_EQ(client.receive(20), "secret-marker-of-pay");
    // An application data record of TLS: type 23, legacy version 3.3.
    EXPECT_TRUE(wait_until([&] { return link.has_seen("\x17\x03\x03"); }));
    EXPECT_GT(link.tcp_payload_bytes(15008), 1000u) << "a handshake and two records";
    EXPECT_FALSE(link.has_seen("secret-marker")) << to.to_string();
    EXPECT_EQ(link.tcp_payload_bytes(8080), 0u);
    EXPECT_EQ(link.missed(), 0u);
  }
}

TEST_F(Mtls, TheServerSeesTheClientAndTheClientSeesTheService) {
  for (const Endpoint& to : services()) {
    TcpServer pay(lab().netns("pay"), 8080);
    auto client = connect_in(lab().netns("web"), to);
    ASSERT_EQ(client.receive(6), "hello\n") << to.to_string();
    EXPECT_EQ(client.peer, to);
    const std::string address = to.address.is_v4() ? lab().pod("web").ip4 : lab().pod("web").ip6;
    const Endpoint expected = endpoint(address, client.local.port);
    ASSERT_EQ(pay.accepted(), 1u);
    EXPECT_EQ(pay.accept_peers()[0], expected);
    EXPECT_EQ(pay.getpeername_peers()[0], expected);
  }
}

TEST_F(Mtls, EitherEndMayStopSendingAndGoOnReading) {
  Acceptor pay(lab().netns("pay"), 8080);
  for (const Endpoint& to : services())
    for (const bool is_client_first : {true, false}) {
      auto pair = connect_pair(pay, to);
      ASSERT_TRUE(pair.is_open()) << to.to_string();
      const Connection& first = is_client_first ? pair.client : pair.server;
      const Connection& second = is_client_first ? pair.server : pair.client;
      ASSERT_TRUE(first.send("last words"));
      first.shut_down_sending();
      std::string text;
      EXPECT_EQ(second.receive_exactly(100, text), ENODATA) << "an orderly end after the text";
      EXPECT_EQ(text, "last words");
      ASSERT_TRUE(second.send("answer to a closed ear? no"));
      text.clear();
      EXPECT_EQ(first.receive_exactly(26, text), 0);
      second.shut_down_sending();
      EXPECT_EQ(first.wait_for_end(std::chrono::seconds(5)), 0);
    }
}

TEST_F(Mtls, AResetArrivesAsAReset) {
  Acceptor pay(lab().netns("pay"), 8080);
  for (const Endpoint& to : services())
    for (const bool is_client_first : {true, false}) {
      auto pair = connect_pair(pay, to);
      ASSERT_TRUE(pair.is_open()) << to.to_string();
      ASSERT_TRUE(pair.client.send("x"));
      ASSERT_EQ(pair.server.receive(1), "x");
      (is_client_first ? pair.client : pair.server).reset();
      const Connection& other = is_client_first ? pair.server : pair.client;
      EXPECT_EQ(other.wait_for_end(std::chrono::seconds(5)), ECONNRESET)
          << to.to_string() << (is_client_first ? " client" : " server");
    }
}

TEST_F(Mtls, AMebibyteEachWayArrivesWhole) {
  Acceptor pay(lab().netns("pay"), 8080);
  std::string there(kMebibyte, '\0'), back(kMebibyte, '\0');
  for (size_t i = 0; i < kMebibyte; ++i) {
    there[i] = static_cast<char>(i * 31 + i / 251);
    back[i] = static_cast<char>(i * 17 + i / 241);
  }
  for (const Endpoint& to : services()) {
    auto pair = connect_pair(pay, to);
    ASSERT_TRUE(pair.is_open()) << to.to_string();
    auto sends = std::async(std::launch::async, [&] { return pair.client.send(there); });
    auto answers = std::async(std::launch::async, [&] { return pair.server.send(back); });
    std::string at_server, at_client;
    auto reads = std::async(std::launch::async,
                            [&] { return pair.server.receive_exactly(kMebibyte, at_server); });
    EXPECT_EQ(pair.client.receive_exactly(kMebibyte, at_client), 0);
    EXPECT_EQ(reads.get(), 0);
    EXPECT_TRUE(sends.get());
    EXPECT_TRUE(answers.get());
    EXPECT_TRUE(at_server == there);
    EXPECT_TRUE(at_client == back);
  }
}

}  // namespace
}  // namespace keelson::test
