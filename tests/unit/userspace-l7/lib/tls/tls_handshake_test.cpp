// Who gets a connection and who does not.
#include <gtest/gtest.h>

#include "tls_peers.h"

namespace keelson::tls {
namespace {

using test::CertSpec;
using test::make_self_signed;
using test::make_signed;
using test::spiffe_id;
using test::TestIdentity;
using test::to_material;

class TlsHandshake : public ::testing::Test {
 protected:
  void begin(const KeyMaterial& client, const KeyMaterial& server) {
    peers_.begin(client, server, {server.id});
    peers_.run();
  }
  void expect_established() {
    ASSERT_FALSE(peers_.client.error) << peers_.client.error->message();
    ASSERT_FALSE(peers_.server.error) << peers_.server.error->message();
    ASSERT_TRUE(peers_.client.stream->is_established());
    ASSERT_TRUE(peers_.server.stream->is_established());
  }
  void expect_server_refuses(const KeyMaterial& client, Reason reason) {
    peers_.client.write("must not arrive");
    begin(client, mesh_.material("pay", "till"));
    ASSERT_TRUE(peers_.server.error);
    EXPECT_EQ(peers_.server.error->reason, reason) << peers_.server.error->message();
    EXPECT_TRUE(peers_.server.received.empty());
    EXPECT_EQ(peers_.server.stream->peer(), nullptr);
    // The client learns it too, by an alert, not by a mute end.
    ASSERT_TRUE(peers_.client.error);
    EXPECT_EQ(peers_.client.error->reason, Reason::tls_alert_received);
  }
  void expect_client_refuses(const KeyMaterial& server, Reason reason) {
    peers_.client.write("must not be sent");
    begin(mesh_.material("shop", "cart"), server);
    ASSERT_TRUE(peers_.client.error);
    EXPECT_EQ(peers_.client.error->reason, reason) << peers_.client.error->message();
    EXPECT_TRUE(peers_.server.received.empty());
    EXPECT_FALSE(peers_.server.stream->is_established());
    ASSERT_TRUE(peers_.server.error);
    EXPECT_EQ(peers_.server.error->reason, Reason::tls_alert_received);
  }
  KeyMaterial leaf(const CertSpec& spec, const TestIdentity& root, const SpiffeId& id) {
    return to_material(make_signed(spec, root), root, id);
  }

  const test::TestMesh mesh_;
  InlineSigner signer_;
  test::TlsPeers peers_{signer_};
};

TEST_F(TlsHandshake, ProvesBothSidesToEachOther) {
  begin(mesh_.material("shop", "cart"), mesh_.material("pay", "till"));
  expect_established();
  EXPECT_EQ(peers_.client.stream->peer()->id, spiffe_id("pay", "till"));
  EXPECT_EQ(peers_.server.stream->peer()->id, spiffe_id("shop", "cart"));
}

TEST_F(TlsHandshake, SendsNoNameAndNoCertificateInTheClear) {
  begin(mesh_.material("shop", "cart"), mesh_.material("pay", "till"));
  expect_established();
  for (const auto& pipe : {peers_.to_server, peers_.to_client})
    for (const std::string word : {"shop", "cart", "till", "cluster.local"})
      EXPECT_EQ(pipe->seen.find(word), std::string::npos) << word;
  // openssl_interop_test asks a foreign server whether a server_name extension came. The ALPN name
  // is the one readable word, which also shows that this search would find the others.
  EXPECT_NE(peers_.to_server->seen.find("\x02h2"), std::string::npos);
}

TEST_F(TlsHandshake, WorksWithEveryFragmentSize) {
  for (const size_t bytes : {1, 2, 3, 4, 5, 6, 7, 16, 100, 517, 1000, 4096}) {
    test::TlsPeers peers(signer_);
    peers.fragment(bytes);
    const KeyMaterial server = mesh_.material("pay", "till");
    peers.begin(mesh_.material("shop", "cart"), server, {server.id});
    peers.client.write(std::string(3000, 'q'));
    peers.server.write(std::string(5000, 'a'));
    peers.run();
    ASSERT_FALSE(peers.client.error) << bytes << ": " << peers.client.error->message();
    ASSERT_FALSE(peers.server.error) << bytes << ": " << peers.server.error->message();
    EXPECT_EQ(peers.server.received, std::string(3000, 'q')) << bytes;
    EXPECT_EQ(peers.client.received, std::string(5000, 'a')) << bytes;
  }
}

TEST_F(TlsHandshake, ServerRefusesAClientOfAnotherTrustDomainUnderTheSameRoot) {
  const SpiffeId id = spiffe_id("shop", "cart", "other.example");
  expect_server_refuses(leaf(CertSpec::of(id.to_string()), mesh_.root, id),
                        Reason::trust_domain_mismatch);
}

TEST_F(TlsHandshake, ServerRefusesAClientOfAnotherRootWithTheSameName) {
  const TestIdentity forged = make_self_signed(CertSpec::ca("test root"));
  KeyMaterial client = leaf(CertSpec{}, forged, spiffe_id("shop", "cart"));
  client.trust = mesh_.material("a", "b").trust;  // it trusts the server; the server must not
  expect_server_refuses(client, Reason::certificate_untrusted);
}

TEST_F(TlsHandshake, ServerRefusesASelfSignedLeaf) {
  const TestIdentity self = make_self_signed(CertSpec{});
  KeyMaterial client = to_material(self, mesh_.root, spiffe_id("shop", "cart"));
  expect_server_refuses(client, Reason::certificate_untrusted);
}

TEST_F(TlsHandshake, ServerRefusesAnExpiredClient) {
  CertSpec spec;
  spec.not_after_from_now = std::chrono::seconds(-60);
  expect_server_refuses(leaf(spec, mesh_.root, spiffe_id("shop", "cart")),
                        Reason::certificate_expired);
}

TEST_F(TlsHandshake, ServerRefusesAClientThatIsNotValidYet) {
  CertSpec spec;
  spec.not_before_from_now = std::chrono::seconds(600);
  expect_server_refuses(leaf(spec, mesh_.root, spiffe_id("shop", "cart")),
                        Reason::certificate_not_yet_valid);
}

TEST_F(TlsHandshake, ServerRefusesALeafThatALeafSigned) {
  const TestIdentity middle = make_signed(CertSpec{}, mesh_.root);
  KeyMaterial client =
      to_material(make_signed(CertSpec{}, middle), mesh_.root, spiffe_id("shop", "cart"));
  client.chain.push_back(to_der(middle.certificate.get()));
  expect_server_refuses(client, Reason::certificate_untrusted);
}

TEST_F(TlsHandshake, ServerRefusesAnIntermediateWithoutBasicConstraints) {
  CertSpec spec = CertSpec::ca("no constraints");
  spec.basic_constraints.clear();
  const TestIdentity middle = make_signed(spec, mesh_.root);
  KeyMaterial client =
      to_material(make_signed(CertSpec{}, middle), mesh_.root, spiffe_id("shop", "cart"));
  client.chain.push_back(to_der(middle.certificate.get()));
  expect_server_refuses(client, Reason::certificate_untrusted);
}

TEST_F(TlsHandshake, AcceptsAChainThroughAnIntermediateCa) {
  const TestIdentity middle = make_signed(CertSpec::ca("intermediate"), mesh_.root);
  KeyMaterial client =
      to_material(make_signed(CertSpec{}, middle), mesh_.root, spiffe_id("shop", "cart"));
  client.chain.push_back(to_der(middle.certificate.get()));
  begin(client, mesh_.material("pay", "till"));
  expect_established();
}

TEST_F(TlsHandshake, AcceptsLeavesOfBothRootsWhileARootIsReplaced) {
  const TestIdentity next = make_self_signed(CertSpec::ca("next root"));
  KeyMaterial client = leaf(CertSpec{}, next, spiffe_id("shop", "cart"));
  KeyMaterial server = mesh_.material("pay", "till");
  for (KeyMaterial* each : {&client, &server})
    each->trust = {to_der(mesh_.root.certificate.get()), to_der(next.certificate.get())};
  begin(client, server);
  expect_established();
}

TEST_F(TlsHandshake, ClientRefusesAServerWithAnotherIdentity) {
  peers_.begin(mesh_.material("shop", "cart"), mesh_.material("pay", "till"),
               {spiffe_id("pay", "refund"), spiffe_id("shop", "till")});
  peers_.client.write("must not be sent");
  peers_.run();
  ASSERT_TRUE(peers_.client.error);
  EXPECT_EQ(peers_.client.error->reason, Reason::identity_mismatch);
  EXPECT_TRUE(peers_.server.received.empty());
  ASSERT_TRUE(peers_.server.error);
  EXPECT_EQ(peers_.server.error->reason, Reason::tls_alert_received);
}

TEST_F(TlsHandshake, ClientAcceptsAnyOfSeveralExpectedIdentities) {
  peers_.begin(mesh_.material("shop", "cart"), mesh_.material("pay", "till"),
               {spiffe_id("pay", "refund"), spiffe_id("pay", "till")});
  peers_.run();
  expect_established();
}

TEST_F(TlsHandshake, ClientWithoutAnExpectationIsNotEvenMade) {
  auto context = TlsContext::make(mesh_.material("shop", "cart"));
  ASSERT_TRUE(context);
  auto end = std::make_unique<test::MemoryStream>(peers_.to_client, peers_.to_server);
  EXPECT_FALSE(TlsStream::connect({*context, std::move(end), peers_.pool, signer_}, {}));
}

TEST_F(TlsHandshake, ClientRefusesAnExpiredServer) {
  CertSpec spec = CertSpec::of("spiffe://cluster.local/ns/pay/sa/till");
  spec.not_after_from_now = std::chrono::seconds(-60);
  expect_client_refuses(leaf(spec, mesh_.root, spiffe_id("pay", "till")),
                        Reason::certificate_expired);
}

TEST_F(TlsHandshake, ClientRefusesAServerOfAnotherRoot) {
  const TestIdentity forged = make_self_signed(CertSpec::ca("test root"));
  KeyMaterial server =
      leaf(CertSpec::of("spiffe://cluster.local/ns/pay/sa/till"), forged, spiffe_id("pay", "till"));
  server.trust = mesh_.material("a", "b").trust;
  expect_client_refuses(server, Reason::certificate_untrusted);
}

TEST_F(TlsHandshake, GarbageInsteadOfAClientHelloIsRefused) {
  peers_.begin(mesh_.material("shop", "cart"), mesh_.material("pay", "till"),
               {spiffe_id("pay", "till")});
  for (const char c : std::string("GET / HTTP/1.1\r\nHost: till\r\n\r\n"))
    peers_.to_server->bytes.push_back(static_cast<std::byte>(c));
  peers_.client.stream.reset();
  peers_.to_server->is_ended = true;
  peers_.run();
  ASSERT_TRUE(peers_.server.error);
  EXPECT_FALSE(peers_.server.stream->is_established());
}

TEST_F(TlsHandshake, AnEndInTheMiddleOfTheHandshakeIsTruncation) {
  peers_.begin(mesh_.material("shop", "cart"), mesh_.material("pay", "till"),
               {spiffe_id("pay", "till")});
  peers_.client.work();
  peers_.client_lower->announce();
  peers_.to_server->bytes.resize(peers_.to_server->bytes.size() / 2);
  peers_.to_server->is_ended = true;
  while (peers_.server.work() || peers_.server_lower->announce()) {
  }
  ASSERT_TRUE(peers_.server.error);
  EXPECT_EQ(peers_.server.error->reason, Reason::tls_truncated);
}

TEST(TlsContext, RefusesMaterialThatDoesNotFitTogether) {
  const test::TestMesh mesh;
  const auto reason_of = [](const KeyMaterial& material) {
    const auto made = TlsContext::make(material);
    return made ? Reason::none : made.error().reason;
  };
  KeyMaterial foreign_key = mesh.material("shop", "cart");
  foreign_key.key = mesh.material("pay", "till").key.clone();
  EXPECT_EQ(reason_of(foreign_key), Reason::key_mismatch);
  KeyMaterial foreign_name = mesh.material("shop", "cart");
  foreign_name.id = spiffe_id("pay", "till");
  EXPECT_EQ(reason_of(foreign_name), Reason::identity_mismatch);
  KeyMaterial leaf_as_root = mesh.material("shop", "cart");
  leaf_as_root.trust = leaf_as_root.chain;
  EXPECT_EQ(reason_of(leaf_as_root), Reason::trust_bundle_invalid);
  KeyMaterial no_root = mesh.material("shop", "cart");
  no_root.trust = {"garbage"};
  EXPECT_EQ(reason_of(no_root), Reason::trust_bundle_invalid);
  KeyMaterial no_chain = mesh.material("shop", "cart");
  no_chain.chain = {"garbage"};
  EXPECT_EQ(reason_of(no_chain), Reason::certificate_malformed);
  KeyMaterial other_domain = mesh.material("shop", "cart");
  other_domain.id.trust_domain = "other.example";
  EXPECT_EQ(reason_of(other_domain), Reason::trust_domain_mismatch);
  KeyMaterial ca_leaf = mesh.material("shop", "cart");
  ca_leaf.chain = ca_leaf.trust;
  EXPECT_EQ(reason_of(ca_leaf), Reason::certificate_not_spiffe);
}

TEST(TlsContext, TakesPemAndDerAlike) {
  const test::TestMesh mesh;
  const TestIdentity leaf = make_signed(CertSpec{}, mesh.root);
  const std::string key_der(to_pkcs8_der(leaf.key.get()).view());
  for (const bool is_pem : {true, false}) {
    const std::string key = is_pem ? leaf.key_pem() : key_der;
    const std::string chain = is_pem ? leaf.cert_pem() : to_der(leaf.certificate.get());
    const std::string trust = is_pem ? mesh.root.cert_pem() : to_der(mesh.root.certificate.get());
    const auto made = TlsContext::make({key, chain, trust, "cluster.local"});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ((*made)->id(), spiffe_id("shop", "cart"));
  }
}

}  // namespace
}  // namespace keelson::tls
