// CertificateRequest: a PKCS#10 request that was checked: small, ECDSA P-256, signed by its own
// key. Pure, any thread. Only its public key is ever used: what it asks for (extensions, subject,
// validity) is not copied into a certificate. The input is hostile: any node can send it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tls/openssl_handle.h"
#include "tls/spiffe_id.h"

namespace keelson::ca {

inline constexpr size_t kRequestBytesMax = 4096;

class CertificateRequest {
 public:
  // PEM or DER. Error: csr_malformed, csr_key_refused, csr_proof_failed, csr_identity_mismatch (it
  // names something that is not one SPIFFE ID).
  static Result<CertificateRequest> parse(std::string_view pem_or_der);

  const EVP_PKEY* public_key() const noexcept { return X509_REQ_get0_pubkey(request_.get()); }
  // The URI SAN it asks for, if any. A claim; the caller decides who the node may ask for.
  const std::optional<tls::SpiffeId>& claimed_id() const noexcept { return claimed_id_; }
  const std::string& sha256_hex() const noexcept { return sha256_hex_; }

 private:
  tls::RequestPtr request_;
  std::optional<tls::SpiffeId> claimed_id_;
  std::string sha256_hex_;
};

// The request that an agent sends: one URI SAN, no common name. DER.
Result<std::string> make_certificate_request(EVP_PKEY* key, const tls::SpiffeId& id);

}  // namespace keelson::ca
