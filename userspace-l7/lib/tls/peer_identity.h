// peer_identity: who a leaf certificate says it is, after its chain was verified.
// Enforces the X509-SVID specification on the leaf (one URI SAN, no CA powers, key usage) and the
// extended key usage that both roles of HBONE need. Pure, any thread. Does not check signatures,
// times or trust: tls_context.h does, and calls this last.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "tls/openssl_handle.h"
#include "tls/spiffe_id.h"

namespace keelson::tls {

struct PeerIdentity {
  SpiffeId id;
  WallTime not_after;  // of the leaf: what was proven stops being proven then
};

// Error: certificate_not_spiffe or spiffe_id_malformed, with the rule that is broken.
Result<PeerIdentity> peer_identity(const X509* leaf);

// An issuer in a verified chain that really is a CA: OpenSSL alone also takes a certificate
// without basicConstraints when its key usage allows signing.
bool is_issuer(X509* certificate) noexcept;

}  // namespace keelson::tls
