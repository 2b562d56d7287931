// Policy where a tunnel ends: by proven identity, at once, by name, also for what is established;
// and who dials :15008 by hand without an identity of this mesh gets nothing.
#include <fcntl.h>
#include <openssl/ssl.h>

#include <fstream>

#include "lab_command.h"
#include "support/cert_fixture.h"
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

constexpr char kConnectionPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct HbonePolicy : LabTest<HbonePolicy> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + namespace_yaml("plain", false) +
                        account_yaml("shop", "web") + account_yaml("shop", "cart") +
                        service_yaml("shop", "pay", 80, 8080) + pod_yaml("shop", "pay", "node2") +
                        pod_yaml("shop", "web", "node1", "web") +
                        pod_yaml("shop", "cart", "node1", "cart") +
                        pod_yaml("plain", "old", "node1"),
            .without = {}};
  }
  void SetUp() override {
    LabTest<HbonePolicy>::SetUp();
    ASSERT_TRUE(lab().wait_settled());
  }

  void deny_web() {
    lab().apply(deny_yaml("shop", "no-web", "pay", "cluster.local/ns/shop/sa/web"), "deny.yaml");
  }
  std::string greeting(std::string_view from, const Endpoint& to) {
    return connect_in(lab().netns(from), to).receive(6);
  }
  // 0: no refusal.
  int refusal(std::string_view from, const Endpoint& to) {
    auto connection = connect_in(lab().netns(from), to);
    return connection.is_open() ? connection.wait_for_end(std::chrono::seconds(1))
                                : connection.error;
  }
  bool has_access_line(std::string_view reason, std::string_view policy) {
    std::ifstream log(lab().layout().component_log("node2", lab::Component::kProxy));
    for (std::string line; std::getline(log, line);) {
      const auto record = nlohmann::json::parse(line, nullptr, false);
      if (record.is_object() && record.value("reason", "") == reason &&
          record.value("policy", "") == policy)
        return true;
    }
    return false;
  }

  // As `keelsonctl observe` tells it on the node of the one who is denied.
  bool has_flow(std::string_view reason, std::string_view policy) {
    for (const auto& flow : lab().flows("node2", "last=50&verdict=denied&from=shop%2Fweb"))
      if (flow.value("reason", "") == reason && flow.value("policy", "") == policy &&
          flow.value("to", "") == "shop/pay" && flow.value("hook", "") == "hbone" &&
          flow.value("from_identity", "") == "cluster.local/ns/shop/sa/web")
        return true;
    return false;
  }

  // Clear bytes that pay's HBONE port answers to a TLS client with this certificate, if any.
  size_t tls_answer(const Endpoint& to, const TestIdentity* identity) {
    auto connection = connect_in(lab().netns("old"), to);
    if (!connection.is_open()) return 0;
    timeval patience{5, 0};
    ::setsockopt(connection.fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::fcntl(connection.fd.get(), F_SETFL, 0);
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                              SSL_CTX_free);
    if (identity != nullptr) {
      SSL_CTX_use_certificate(context.get(), identity->certificate.get());
      SSL_CTX_use_PrivateKey(context.get(), identity->key.get());
    }
    const unsigned char alpn[] = {2, 'h', '2'};
    SSL_CTX_set_alpn_protos(context.get(), alpn, sizeof alpn);
    std::unique_ptr<SSL, decltype(&SSL_free)> session(SSL_new(context.get()), SSL_free);
    SSL_set_fd(session.get(), connection.fd.get());
    if (SSL_connect(session.get()) != 1) return 0;
    SSL_write(session.get(), kConnectionPreface, sizeof kConnectionPreface - 1);
    char answer[256];
    const int count = SSL_read(session.get(), answer, sizeof answer);
    return count > 0 ? static_cast<size_t>(count) : 0;
  }
};

TEST_F(HbonePolicy, ADeniedCallerIsResetAtOnceAndTheOtherIsServed) {
  TcpServer pay(lab().netns("pay"), 8080);
  const std::vector<Endpoint> ways = {lab().service4("shop", "pay", 80),
                                      lab().service6("shop", "pay", 80), lab().pod4("pay", 8080),
                                      lab().pod6("pay", 8080)};
  for (const Endpoint& to : ways) EXPECT_EQ(greeting("web", to), "hello\n") << to.to_string();
  deny_web();
  EXPECT_TRUE(wait_until([&] { return refusal("web", ways[0]) == ECONNRESET; }));
  const size_t served = pay.accepted();
  for (const Endpoint& to : ways) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(refusal("web", to), ECONNRESET) << to.to_string();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));
    EXPECT_EQ(greeting("cart", to), "hello\n") << to.to_string();
  }
  EXPECT_EQ(pay.accepted(), served + ways.size()) << "only cart's";
  EXPECT_TRUE(wait_until([&] { return has_access_line("policy_denied", "shop/no-web"); }));
  EXPECT_TRUE(wait_until([&] { return has_flow("policy_denied", "shop/no-web"); }));
  lab().remove("AuthorizationPolicy", "shop/no-web");
  EXPECT_TRUE(wait_until([&] { return greeting("web", ways[0]) == "hello\n"; }));
}

TEST_F(HbonePolicy, ANewDenyCutsTheEstablishedTunnelAndOnlyThat) {
  TcpServer pay(lab().netns("pay"), 8080);
  std::vector<Connection> denied, kept;
  for (const Endpoint& to : {lab().pod4("pay", 8080), lab().pod6("pay", 8080)}) {
    denied.push_back(connect_in(lab().netns("web"), to));
    kept.push_back(connect_in(lab().netns("cart"), to));
    ASSERT_EQ(denied.back().receive(6), "hello\n");
    ASSERT_EQ(kept.back().receive(6), "hello\n");
  }
  const auto saved = std::chrono::steady_clock::now();
  deny_web();
  for (const Connection& connection : denied)
    EXPECT_EQ(connection.wait_for_end(std::chrono::seconds(5)), ECONNRESET);
  EXPECT_LE(std::chrono::steady_clock::now() - saved, std::chrono::seconds(2));
  for (const Connection& connection : kept) {
    EXPECT_TRUE(connection.send("ping"));
    EXPECT_EQ(connection.receive(4), "ping");
  }
  EXPECT_TRUE(wait_until([&] { return has_access_line("connections_cut", "shop/no-web"); }));
  EXPECT_TRUE(wait_until([&] { return has_flow("connections_cut", "shop/no-web"); }));
  lab().remove("AuthorizationPolicy", "shop/no-web");
  EXPECT_TRUE(wait_until([&] { return greeting("web", lab().pod4("pay", 8080)) == "hello\n"; }));
}

TEST_F(HbonePolicy, DiallingTheHbonePortByHandYieldsNothingWithoutAnIdentityOfTheMesh) {
  TcpServer pay(lab().netns("pay"), 8080);
  const auto signing = lab::read_text(lab().layout().ca_dir() + "/signing.pem");
  ASSERT_TRUE(signing);
  TestIdentity root;
  root.key = std::move(*tls::read_private_key(*signing));
  root.certificate = std::move(tls::read_certificates(*signing)->at(0));
  const TestIdentity other_root = make_self_signed(CertSpec::ca("other.example"));
  const std::string web = spiffe_id("shop", "web").to_string();
  const std::string foreign = spiffe_id("shop", "web", "other.example").to_string();
  const TestIdentity ours = make_signed(CertSpec::of(web), root);
  const TestIdentity forged = make_signed(CertSpec::of(web), other_root);
  const TestIdentity from_abroad = make_signed(CertSpec::of(foreign), other_root);
  const TestIdentity foreign_name = make_signed(CertSpec::of(foreign), root);
  for (const Endpoint& to : {lab().pod4("pay", 15008), lab().pod6("pay", 15008)}) {
    EXPECT_GT(tls_answer(to, &ours), 0u) << "so that nothing below means something";
    EXPECT_EQ(tls_answer(to, nullptr), 0u) << "no certificate";
    EXPECT_EQ(tls_answer(to, &forged), 0u) << "our name, another root";
    EXPECT_EQ(tls_answer(to, &from_abroad), 0u) << "another trust domain";
    EXPECT_EQ(tls_answer(to, &foreign_name), 0u) << "another trust domain under our root";
    auto plain = connect_in(lab().netns("old"), to);
    ASSERT_TRUE(plain.is_open());
    EXPECT_TRUE(plain.send("CONNECT 10.244.2.10:8080 HTTP/1.1\r\nhost: pay\r\n\r\n"));
    EXPECT_NE(plain.wait_for_end(std::chrono::seconds(5)), ETIMEDOUT) << "plain HTTP";
  }
  EXPECT_EQ(pay.accepted(), 0u);
}

}  // namespace
}  // namespace keelson::test
