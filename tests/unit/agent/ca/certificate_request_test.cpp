#include "ca/certificate_request.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "ca/certificate_builder.h"
#include "tls/certificates.h"
#include "tls/peer_identity.h"

namespace keelson::ca {
namespace {

const tls::SpiffeId kCart{"cluster.local", "shop", "cart"};

Reason reason_of(std::string_view bytes) {
  const auto parsed = CertificateRequest::parse(bytes);
  return parsed ? Reason::none : parsed.error().reason;
}

tls::KeyPtr p256() {
  return std::move(*tls::generate_p256_key());
}

// A request with extensions as in openssl.cnf, signed by `signer` (the key itself when null).
std::string make_request(EVP_PKEY* key, const std::vector<std::pair<int, std::string>>& extensions,
                         EVP_PKEY* signer = nullptr, const EVP_MD* digest = EVP_sha256()) {
  const tls::RequestPtr request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), key);
  STACK_OF(X509_EXTENSION)* stack = sk_X509_EXTENSION_new_null();
  for (const auto& [nid, value] : extensions)
    sk_X509_EXTENSION_push(stack, X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  if (!extensions.empty()) X509_REQ_add_extensions(request.get(), stack);
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
  EXPECT_GT(X509_REQ_sign(request.get(), signer != nullptr ? signer : key, digest), 0);
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

std::string as_pem(const std::string& der) {
  auto at = reinterpret_cast<const unsigned char*>(der.data());
  const tls::RequestPtr request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

TEST(CertificateRequest, TakesItsOwnKindInDerAndPem) {
  const tls::KeyPtr key = p256();
  const std::string der = *make_certificate_request(key.get(), kCart);
  for (const std::string& form : {der, as_pem(der)}) {
    const auto parsed = CertificateRequest::parse(form);
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->claimed_id(), kCart);
    EXPECT_EQ(EVP_PKEY_eq(parsed->public_key(), key.get()), 1);
    EXPECT_EQ(parsed->sha256_hex().size(), 64U);
  }
}

TEST(CertificateRequest, TakesOneWithoutAnyName) {
  const tls::KeyPtr key = p256();
  const auto parsed = CertificateRequest::parse(make_request(key.get(), {}));
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->claimed_id());
}

TEST(CertificateRequest, RefusesEveryTruncationAndEverythingAppended) {
  const std::string der = *make_certificate_request(p256().get(), kCart);
  for (size_t size = 0; size < der.size(); ++size)
    EXPECT_EQ(reason_of(der.substr(0, size)), Reason::csr_malformed) << size;
  EXPECT_EQ(reason_of(der + "x"), Reason::csr_malformed);
  EXPECT_EQ(reason_of(der + der), Reason::csr_malformed);
  const std::string pem = as_pem(der);
  EXPECT_EQ(reason_of(pem + pem), Reason::csr_malformed);
  EXPECT_EQ(reason_of("text\n" + pem), Reason::csr_malformed);
  EXPECT_EQ(reason_of(std::string(kRequestBytesMax + 1, 'x')), Reason::csr_malformed);
}

TEST(CertificateRequest, RefusesEverySingleBitThatWasTouched) {
  const std::string der = *make_certificate_request(p256().get(), kCart);
  for (size_t at = 0; at < der.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = der;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      EXPECT_NE(reason_of(changed), Reason::none) << at << "/" << bit;
    }
}

TEST(CertificateRequest, RefusesKeysThatAreNotP256) {
  for (const char* curve : {"P-384", "P-521", "secp256k1", "prime192v1"}) {
    const tls::KeyPtr key(EVP_EC_gen(curve));
    if (key) {
      EXPECT_EQ(reason_of(make_request(key.get(), {})), Reason::csr_key_refused) << curve;
    }
  }
  const tls::KeyPtr rsa(EVP_RSA_gen(2048));
  EXPECT_EQ(reason_of(make_request(rsa.get(), {})), Reason::csr_key_refused);
  const tls::KeyPtr ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  EXPECT_EQ(reason_of(make_request(ed25519.get(), {}, nullptr, nullptr)), Reason::csr_key_refused);
}

TEST(CertificateRequest, RefusesP256SpeltOutAsParameters) {
  const tls::KeyPtr key = p256();
  EVP_PKEY_set_utf8_string_param(key.get(), "encoding", "explicit");
  EXPECT_EQ(reason_of(make_request(key.get(), {})), Reason::csr_key_refused);
}

TEST(CertificateRequest, RefusesOneThatAnotherKeySigned) {
  const tls::KeyPtr victim = p256();
  const tls::KeyPtr thief = p256();
  EXPECT_EQ(reason_of(make_request(victim.get(), {}, thief.get())), Reason::csr_proof_failed);
}

TEST(CertificateRequest, RefusesNamesThatAreNotOneSpiffeId) {
  const tls::KeyPtr key = p256();
  for (const char* names : {
           "DNS:cart.shop",
           "URI:https://cart/",
           "URI:spiffe://cluster.local/ns/shop/sa/cart/",
           "URI:spiffe://cluster.local/ns/shop/sa/cart,DNS:cart",
           "URI:spiffe://cluster.local/ns/shop/sa/cart,URI:spiffe://cluster.local/ns/pay/sa/till",
           "IP:10.0.0.1",
           "email:root@cluster.local",
       })
    EXPECT_EQ(reason_of(make_request(key.get(), {{NID_subject_alt_name, names}})),
              Reason::csr_identity_mismatch)
        << names;
}

TEST(CertificateRequest, NothingItAsksForReachesTheLeaf) {
  const tls::KeyPtr key = p256();
  const auto greedy = CertificateRequest::parse(
      make_request(key.get(), {{NID_basic_constraints, "critical,CA:TRUE"},
                               {NID_key_usage, "keyCertSign,cRLSign"},
                               {NID_ext_key_usage, "codeSigning"},
                               {NID_subject_alt_name, "URI:" + kCart.to_string()}}));
  ASSERT_TRUE(greedy) << greedy.error().message();
  SigningPair root;
  root.key = p256();
  const WallTime now = std::chrono::system_clock::now();
  const Validity validity{now, now + std::chrono::hours(1)};
  root.certificate = std::move(*build_root(root.key.get(), "cluster.local", validity));
  const auto leaf = build_leaf(greedy->public_key(), kCart, validity, root);
  ASSERT_TRUE(leaf);
  EXPECT_TRUE(tls::peer_identity(leaf->get()));
  EXPECT_FALSE(tls::is_issuer(leaf->get()));
  EXPECT_EQ(X509_get_extended_key_usage(leaf->get()),
            static_cast<uint32_t>(XKU_SSL_SERVER | XKU_SSL_CLIENT));
}

}  // namespace
}  // namespace keelson::ca
