// Certificates made at run time, right or wrong in any way a test wants. Any thread.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "tls/certificates.h"
#include "tls/key_material.h"

namespace keelson::test {

// What goes into a certificate. The default is a good leaf; an empty text leaves a field out.
struct CertSpec {
  std::vector<std::string> uris{"spiffe://cluster.local/ns/shop/sa/cart"};  // raw bytes
  std::vector<std::string> dns_names;
  std::vector<std::string> emails;
  bool is_san_twice = false;  // two SAN extensions, each with all names
  std::string common_name;
  std::string basic_constraints = "critical,CA:FALSE";
  std::string key_usage = "critical,digitalSignature";
  std::string extended_key_usage = "serverAuth,clientAuth";
  std::vector<std::pair<int, std::string>>
      extensions;                    // further ones: NID, value as in openssl.cnf
  std::string unknown_critical_oid;  // an extension nobody knows
  std::chrono::seconds not_before_from_now{-300};
  std::chrono::seconds not_after_from_now{3600};
  long version = X509_VERSION_3;

  static CertSpec of(const std::string& uri);
  static CertSpec ca(const std::string& name);
};

struct TestIdentity {
  tls::CertPtr certificate;
  tls::KeyPtr key;

  std::string cert_pem() const;
  std::string key_pem() const;
};

TestIdentity make_self_signed(const CertSpec& spec);
TestIdentity make_signed(const CertSpec& spec, const TestIdentity& issuer);
// With a key of the caller's: other curves, RSA.
TestIdentity make_signed_with(tls::KeyPtr key, const CertSpec& spec, const TestIdentity& issuer);

// A root named cluster.local and good leaves under it.
struct TestMesh {
  TestIdentity root = make_self_signed(CertSpec::ca("test root"));

  // "shop/cart" under the mesh's root, as the agent would hand it to the proxy.
  tls::KeyMaterial material(const std::string& ns, const std::string& account) const;
};

tls::KeyMaterial to_material(const TestIdentity& leaf, const TestIdentity& root,
                             const tls::SpiffeId& id);
tls::SpiffeId spiffe_id(const std::string& ns, const std::string& account,
                        const std::string& trust_domain = "cluster.local");

}  // namespace keelson::test
