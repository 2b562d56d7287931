// TlsContext: one identity's immutable TLS settings, for both roles: TLS 1.3 only, mutual, ALPN h2,
// no tickets, no resumption, no early data, no server name. Built once per identity and
// certificate, shared by its streams, replaced as a whole at renewal. make() on any thread; then
// read-only. Proves who the peer is (chain, times, one SPIFFE ID, trust domain or expected
// identity); which proven peer may do what is authorization's business.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tls/key_material.h"
#include "tls/openssl_handle.h"
#include "tls/peer_identity.h"

namespace keelson::tls {

// Each part PEM, or DER certificates one after the other.
struct Credentials {
  std::string_view private_key;
  std::string_view chain;  // leaf first
  std::string_view trust_bundle;
  std::string_view trust_domain;  // must be the leaf's
};

// Of a server whose clients know it by a DNS name and prove themselves above TLS, as agents do to
// keelson-ca: the chain, leaf first, each PEM or DER.
struct ServerCredentials {
  std::string_view private_key;
  std::string_view chain;
};

// What the verification of one connection's peer needs and finds; attached to its SSL.
struct PeerCheck {
  // Client role: the peer must be one of these. Server role: empty, the trust domain decides.
  std::vector<SpiffeId> expected;
  std::optional<PeerIdentity> peer;  // set when verification succeeded
  std::optional<Error> error;        // set when it failed
};

class TlsContext {
 public:
  // Error: certificate_malformed, certificate_not_spiffe, key_invalid, key_mismatch,
  // trust_domain_mismatch, trust_bundle_invalid.
  static Result<std::shared_ptr<const TlsContext>> make(const Credentials& credentials);
  static Result<std::shared_ptr<const TlsContext>> make(const KeyMaterial& material);
  // Server role only: asks for no client certificate, offers HTTP/1.1, also to a client that knows
  // no ALPN. id() is empty, and so is a stream's peer().
  // Error: certificate_malformed, key_invalid, key_mismatch.
  static Result<std::shared_ptr<const TlsContext>> make_server(
      const ServerCredentials& credentials);

  const SpiffeId& id() const noexcept { return own_.id; }
  WallTime not_after() const noexcept { return own_.not_after; }
  bool proves_peer() const noexcept { return proves_peer_; }
  // `chosen` by ALPN; empty: nothing.
  bool admits_protocol(std::string_view chosen) const noexcept;

  // For TlsStream: an SSL whose verification reads and fills `check`, which outlives it.
  Result<SslPtr> make_ssl(PeerCheck& check) const;

 private:
  TlsContext() = default;
  Result<void> load(const Credentials& credentials);
  Result<void> use_own(std::string_view private_key, const std::vector<CertPtr>& chain);
  Result<void> load_trust(std::string_view bundle);
  Result<void> verify(X509_STORE_CTX* chain, PeerCheck& check) const;
  static int on_verify(X509_STORE_CTX* chain, void* self) noexcept;

  SslCtxPtr ssl_ctx_;
  PeerIdentity own_;
  bool proves_peer_ = true;
};

}  // namespace keelson::tls
