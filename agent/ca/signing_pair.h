// SigningPair as text: a PKCS#8 key and its certificate, PEM, as they lie in the CA's folder or in
// its Secret; and the leaf that such a pair signs. Pure but for the random serial number, any
// thread. Judges that a pair can sign at all, not for whom.
#pragma once

#include <string>
#include <string_view>

#include "ca/certificate_builder.h"
#include "ca/certificate_request.h"

namespace keelson::ca {

Result<tls::SecretBytes> key_pem(const SigningPair& pair);

// `name`: of the file or key, for the error. Error: authority_state_invalid (not one P-256 key, not
// exactly one certificate, they do not belong together, or it is no CA's).
Result<SigningPair> read_signing_pair(std::string_view key, std::string_view certificate,
                                      const std::string& name);

Result<SigningPair> make_signing_pair(std::string_view trust_domain, Validity validity);

struct LeafRules {
  std::string trust_domain;
  std::chrono::seconds lifetime = std::chrono::hours(24);
  std::chrono::seconds clock_skew = std::chrono::minutes(5);  // not_before lies this far back
};

// A leaf for `id` with the request's key, never valid beyond its issuer.
// Error: csr_identity_mismatch, trust_domain_mismatch, certificate_expired (the pair's own).
Result<tls::CertPtr> sign_leaf(const SigningPair& pair, const LeafRules& rules,
                               const CertificateRequest& request, const tls::SpiffeId& id,
                               WallTime now);

}  // namespace keelson::ca
