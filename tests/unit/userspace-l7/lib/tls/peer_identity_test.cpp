#include "tls/peer_identity.h"

#include <gtest/gtest.h>
#include <openssl/obj_mac.h>

#include <functional>
#include <string>
#include <vector>

#include "cert_fixture.h"

namespace keelson::tls {
namespace {

using test::CertSpec;
using test::make_self_signed;
using test::make_signed;
using test::TestIdentity;

class PeerIdentityTest : public ::testing::Test {
 protected:
  Result<PeerIdentity> identity_of(const CertSpec& spec) {
    const TestIdentity leaf = make_signed(spec, root_);
    return peer_identity(leaf.certificate.get());
  }
  void expect_refused(const std::string& name, const CertSpec& spec) {
    const auto identity = identity_of(spec);
    ASSERT_FALSE(identity) << name;
    EXPECT_TRUE(identity.error().reason == Reason::certificate_not_spiffe ||
                identity.error().reason == Reason::spiffe_id_malformed)
        << name << ": " << identity.error().message();
  }
  const TestIdentity root_ = make_self_signed(CertSpec::ca("root"));
};

TEST_F(PeerIdentityTest, ReadsTheIdentityOfAGoodLeaf) {
  const auto identity = identity_of(CertSpec{});
  ASSERT_TRUE(identity) << identity.error().message();
  EXPECT_EQ(identity->id.to_string(), "spiffe://cluster.local/ns/shop/sa/cart");
  EXPECT_GT(identity->not_after, std::chrono::system_clock::now());
}

TEST_F(PeerIdentityTest, IgnoresOtherKindsOfNamesBesideTheUri) {
  CertSpec spec;
  spec.dns_names = {"cart.shop.svc.cluster.local"};
  spec.emails = {"spiffe://cluster.local/ns/pay/sa/till"};
  spec.common_name = "spiffe://cluster.local/ns/pay/sa/till";
  const auto identity = identity_of(spec);
  ASSERT_TRUE(identity) << identity.error().message();
  EXPECT_EQ(identity->id.ns, "shop");
}

TEST_F(PeerIdentityTest, AcceptsKeyEnciphermentBesideDigitalSignatureAsIstioIssuesIt) {
  CertSpec spec;
  spec.key_usage = "critical,digitalSignature,keyEncipherment";
  EXPECT_TRUE(identity_of(spec));
}

TEST_F(PeerIdentityTest, RefusesLeavesThatBreakARule) {
  const std::vector<std::pair<std::string, std::function<void(CertSpec&)>>> cases = {
      {"no SAN", [](CertSpec& s) { s.uris.clear(); }},
      {"DNS only", [](CertSpec& s) { s.uris.clear(), s.dns_names = {"cart.shop"}; }},
      {"SPIFFE ID as DNS name",
       [](CertSpec& s) { s.dns_names = std::move(s.uris), s.uris.clear(); }},
      {"SPIFFE ID as e-mail", [](CertSpec& s) { s.emails = std::move(s.uris), s.uris.clear(); }},
      {"SPIFFE ID as common name", [](CertSpec& s) { s.common_name = s.uris[0], s.uris.clear(); }},
      {"two URIs", [](CertSpec& s) { s.uris.push_back("spiffe://cluster.local/ns/a/sa/b"); }},
      {"the same URI twice", [](CertSpec& s) { s.uris.push_back(s.uris[0]); }},
      {"a second URI that is no SPIFFE ID", [](CertSpec& s) { s.uris.push_back("https://x/"); }},
      {"a first URI that is no SPIFFE ID",
       [](CertSpec& s) { s.uris.insert(s.uris.begin(), "https://x/"); }},
      {"two SAN extensions", [](CertSpec& s) { s.is_san_twice = true; }},
      {"CA:TRUE", [](CertSpec& s) { s.basic_constraints = "critical,CA:TRUE"; }},
      {"CA:TRUE, not critical", [](CertSpec& s) { s.basic_constraints = "CA:TRUE"; }},
      {"CA:TRUE with path length", [](CertSpec& s) { s.basic_constraints = "CA:TRUE,pathlen:0"; }},
      {"path length without CA",
       [](CertSpec& s) { s.basic_constraints = "critical,CA:FALSE,pathlen:0"; }},
      {"no basicConstraints", [](CertSpec& s) { s.basic_constraints.clear(); }},
      {"no keyUsage", [](CertSpec& s) { s.key_usage.clear(); }},
      {"keyUsage not critical", [](CertSpec& s) { s.key_usage = "digitalSignature"; }},
      {"keyCertSign", [](CertSpec& s) { s.key_usage += ",keyCertSign"; }},
      {"cRLSign", [](CertSpec& s) { s.key_usage += ",cRLSign"; }},
      {"only keyCertSign", [](CertSpec& s) { s.key_usage = "critical,keyCertSign"; }},
      {"no digitalSignature", [](CertSpec& s) { s.key_usage = "critical,keyEncipherment"; }},
      {"only keyAgreement", [](CertSpec& s) { s.key_usage = "critical,keyAgreement"; }},
      {"no extendedKeyUsage", [](CertSpec& s) { s.extended_key_usage.clear(); }},
      {"serverAuth only", [](CertSpec& s) { s.extended_key_usage = "serverAuth"; }},
      {"clientAuth only", [](CertSpec& s) { s.extended_key_usage = "clientAuth"; }},
      {"codeSigning only", [](CertSpec& s) { s.extended_key_usage = "codeSigning"; }},
      {"anyExtendedKeyUsage only",
       [](CertSpec& s) { s.extended_key_usage = "anyExtendedKeyUsage"; }},
      {"version 1", [](CertSpec& s) { s.version = X509_VERSION_1; }},
      {"unknown critical extension", [](CertSpec& s) { s.unknown_critical_oid = "1.2.3.4.5.6"; }},
  };
  for (const auto& [name, bend] : cases) {
    CertSpec spec;
    bend(spec);
    expect_refused(name, spec);
  }
}

TEST_F(PeerIdentityTest, RefusesUrisThatAreNotTheCanonicalIdentity) {
  using namespace std::string_literals;
  const std::vector<std::string> uris = {
      "",
      "spiffe://cluster.local",
      "spiffe://cluster.local/",
      "spiffe:///ns/shop/sa/cart",
      "SPIFFE://cluster.local/ns/shop/sa/cart",
      "spiffe://CLUSTER.local/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/SHOP/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/CART",
      "spiffe://cluster.local/ns/shop/sa/cart/",
      "spiffe://cluster.local//ns/shop/sa/cart",
      "spiffe://cluster.local/ns/shop/sa//cart",
      "spiffe://cluster.local/./ns/shop/sa/cart",
      "spiffe://cluster.local/ns/shop/../pay/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/cart/../till",
      "spiffe://cluster.local/ns/shop/sa/%63art",
      "spiffe://cluster%2elocal/ns/shop/sa/cart",
      "spiffe://cluster.local/ns%2fshop/sa/cart",
      "spiffe://cluster.local:15008/ns/shop/sa/cart",
      "spiffe://root@cluster.local/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/cart?as=till",
      "spiffe://cluster.local/ns/shop/sa/cart#till",
      "spiffe://cluster.local/ns/shop/sa/cart\0"s,
      "spiffe://cluster.local/ns/shop/sa/cart\0/../till"s,
      "spiffe://cluster.local\0evil.example/ns/shop/sa/cart"s,
      "\0spiffe://cluster.local/ns/shop/sa/cart"s,
      " spiffe://cluster.local/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/cart\r\n",
      "spiffe://cluster.local/ns/shop/sa/c\xc3\xa4rt",
      "spiffe://cluster.local/ns/shop/sa/*",
      "spiffe://*/ns/shop/sa/cart",
      "spiffe://*.local/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/cart,URI:spiffe://cluster.local/ns/pay/sa/till",
      "spiffe://cluster.local/ns/shop",
      "spiffe://cluster.local/ns/shop/sa",
      "spiffe://cluster.local/ns/shop/sa/",
      "spiffe://cluster.local/ns//sa/cart",
      "spiffe://cluster.local/sa/cart/ns/shop",
      "spiffe://cluster.local/ns/shop/pod/cart",
      "spiffe://cluster.local/ns/shop/sa/cart/extra",
      "https://cluster.local/ns/shop/sa/cart",
      "urn:spiffe:cluster.local:ns:shop:sa:cart",
      "cluster.local/ns/shop/sa/cart",
      "//cluster.local/ns/shop/sa/cart",
      "spiffe:cluster.local/ns/shop/sa/cart",
      "spiffe:/cluster.local/ns/shop/sa/cart",
      "spiffe:\\\\cluster.local\\ns\\shop\\sa\\cart",
      "spiffe://" + std::string(256, 'a') + "/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/" + std::string(64, 'a') + "/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/" + std::string(254, 'a'),
      "spiffe://cluster.local/ns/shop/sa/" + std::string(5000, 'a'),
  };
  for (const auto& uri : uris) expect_refused(uri, CertSpec::of(uri));
}

TEST_F(PeerIdentityTest, TakesOnlyRealCasForIssuers) {
  EXPECT_TRUE(is_issuer(root_.certificate.get()));
  CertSpec no_constraints = CertSpec::ca("sub");
  no_constraints.basic_constraints.clear();
  EXPECT_FALSE(is_issuer(make_signed(no_constraints, root_).certificate.get()));
  CertSpec no_signing = CertSpec::ca("sub");
  no_signing.key_usage = "critical,digitalSignature";
  EXPECT_FALSE(is_issuer(make_signed(no_signing, root_).certificate.get()));
  EXPECT_FALSE(is_issuer(make_signed(CertSpec{}, root_).certificate.get()));
}

}  // namespace
}  // namespace keelson::tls
