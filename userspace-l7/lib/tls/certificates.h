// Certificates and keys as bytes: PEM or DER in, OpenSSL handles out, DER back.
// Pure, any thread. Judges nothing: see peer_identity.h (leaves) and tls_context.h (chains).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tls/openssl_handle.h"

namespace keelson::tls {

// One or more certificates: PEM blocks (with any text between them) or DER, one after the other.
// At most 32. Error: certificate_malformed, also when there is none or something is left over.
Result<std::vector<CertPtr>> read_certificates(std::string_view pem_or_der);
// A private key without a pass phrase. Error: key_invalid.
Result<KeyPtr> read_private_key(std::string_view pem_or_der);

Result<KeyPtr> generate_p256_key();
// Named curve P-256, not the same curve spelt out as parameters (CVE-2020-0601's way in).
bool is_p256(const EVP_PKEY* key) noexcept;

// By the root's key; names and times are not looked at.
bool is_signed_by(X509* certificate, X509* root) noexcept;

std::string to_der(const X509* certificate);
std::string to_pem(const X509* certificate);
SecretBytes to_pkcs8_der(const EVP_PKEY* key);

WallTime not_before(const X509* certificate) noexcept;
WallTime not_after(const X509* certificate) noexcept;
std::string serial_hex(const X509* certificate);

}  // namespace keelson::tls
