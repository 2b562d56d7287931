// What the CA puts into a certificate: every field is set here, none comes from a request.
// Pure except for the random serial number. Any thread.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tls/openssl_handle.h"
#include "tls/spiffe_id.h"

namespace keelson::ca {

struct Validity {
  WallTime not_before;
  WallTime not_after;
};

struct SigningPair {
  tls::CertPtr certificate;
  tls::KeyPtr key;
};

Result<tls::CertPtr> build_root(EVP_PKEY* key, std::string_view trust_domain, Validity validity);
// Empty subject, critical URI SAN, CA:false, digitalSignature, server and client authentication.
Result<tls::CertPtr> build_leaf(const EVP_PKEY* public_key, const tls::SpiffeId& id,
                                Validity validity, const SigningPair& issuer);

// A TLS server by DNS names; no SPIFFE leaf, and no peer takes it for one.
Result<tls::CertPtr> build_server_leaf(const EVP_PKEY* public_key,
                                       const std::vector<std::string>& dns_names, Validity validity,
                                       const SigningPair& issuer);

}  // namespace keelson::ca
