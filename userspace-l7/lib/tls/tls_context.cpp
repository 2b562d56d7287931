#include "tls/tls_context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "tls/certificates.h"

namespace keelson::tls {
namespace {

// One protocol, its length before it: ALPN's wire form.
constexpr std::string_view kAlpnH2 = "\x02h2";
constexpr std::string_view kAlpnHttp11 = "\x08http/1.1";

const unsigned char* wire(std::string_view alpn) noexcept {
  return reinterpret_cast<const unsigned char*>(alpn.data());
}
// Leaf, up to four intermediates. A longer chain is work of the peer's choice.
constexpr int kChainDepthMax = 5;
constexpr long kChainBytesMax = 32 * 1024;
// Reads 32 KiB at a time: two full records a system call while bytes flow (SSL_MODE_RELEASE_BUFFERS
// gives the buffer back when nothing is left in it).
constexpr size_t kReadBufferBytes = 32 * 1024;

Failure setup_failed(std::string_view what) {
  return fail_openssl(Reason::internal, ErrorSource::kInternal, what);
}

int on_select_alpn(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned int offered_size,
                   void* argument) noexcept {
  const auto& ours = *static_cast<const std::string_view*>(argument);
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, wire(ours), static_cast<unsigned>(ours.size()),
                            offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// `alpn` lives as long as the program.
Result<SslCtxPtr> make_ssl_ctx(const std::string_view& alpn) {
  SslCtxPtr made(SSL_CTX_new(TLS_method()));
  if (!made) return setup_failed("SSL_CTX");
  SSL_CTX* ctx = made.get();
  const bool ok =
      SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
      SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
      SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384") == 1 &&
      SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 &&
      // Ours are P-256; the others let a foreign CA (Istio's may be RSA) sign the peer's chain.
      SSL_CTX_set1_sigalgs_list(ctx,
                                "ECDSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA256:RSA-PSS+SHA384:"
                                "RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512") == 1 &&
      SSL_CTX_set_alpn_protos(ctx, wire(alpn), static_cast<unsigned>(alpn.size())) ==
          0;  // 0 is success here
  if (!ok) return setup_failed("TLS parameters");
  SSL_CTX_set_alpn_select_cb(ctx, on_select_alpn, const_cast<std::string_view*>(&alpn));
  // A ticket would carry a proof of identity past a change of trust bundle or policy.
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);  // RFC 8446 D.4: optional
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_early_data(ctx, 0);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, kReadBufferBytes);
  SSL_CTX_set_max_cert_list(ctx, kChainBytesMax);
  SSL_CTX_set_verify_depth(ctx, kChainDepthMax);
  return made;
}

Reason reason_of_verify_error(int error) noexcept {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Reason::certificate_expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Reason::certificate_not_yet_valid;
    default:
      return Reason::certificate_untrusted;
  }
}

Failure refuse(Reason reason, std::string context) {
  return fail(reason, ErrorSource::kInternal, std::move(context));
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const auto& part : parts) all += part;
  return all;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const Credentials& credentials) {
  std::shared_ptr<TlsContext> context(new TlsContext());
  KS_ASSIGN(context->ssl_ctx_, make_ssl_ctx(kAlpnH2));
  KS_TRY(context->load(credentials));
  SSL_CTX_set_verify(context->ssl_ctx_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  // Each stream holds the context, so `self` outlives every SSL made from it.
  SSL_CTX_set_cert_verify_callback(context->ssl_ctx_.get(), on_verify, context.get());
  return std::shared_ptr<const TlsContext>(std::move(context));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const KeyMaterial& material) {
  const std::string chain = joined(material.chain);
  const std::string trust = joined(material.trust);
  auto made = make({material.key.view(), chain, trust, material.id.trust_domain});
  if (made && (*made)->id() != material.id)
    return refuse(Reason::identity_mismatch, material.id.to_string());
  return made;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::make_server(
    const ServerCredentials& credentials) {
  std::shared_ptr<TlsContext> context(new TlsContext());
  KS_ASSIGN(context->ssl_ctx_, make_ssl_ctx(kAlpnHttp11));
  KS_ASSIGN(const auto chain, read_certificates(credentials.chain));
  context->proves_peer_ = false;
  context->own_.not_after = tls::not_after(chain.front().get());
  KS_TRY(context->use_own(credentials.private_key, chain));
  return std::shared_ptr<const TlsContext>(std::move(context));
}

bool TlsContext::admits_protocol(std::string_view chosen) const noexcept {
  if (proves_peer_) return chosen == kAlpnH2.substr(1);
  return chosen.empty() || chosen == kAlpnHttp11.substr(1);
}

Result<void> TlsContext::load(const Credentials& credentials) {
  KS_ASSIGN(const auto chain, read_certificates(credentials.chain));
  KS_ASSIGN(own_, peer_identity(chain.front().get()));
  if (own_.id.trust_domain != credentials.trust_domain)
    return refuse(Reason::trust_domain_mismatch, own_.id.to_string());
  KS_TRY(use_own(credentials.private_key, chain));
  return load_trust(credentials.trust_bundle);
}

Result<void> TlsContext::use_own(std::string_view private_key, const std::vector<CertPtr>& chain) {
  SSL_CTX* ctx = ssl_ctx_.get();
  KS_ASSIGN(const KeyPtr key, read_private_key(private_key));
  if (SSL_CTX_use_certificate(ctx, chain.front().get()) != 1)
    return fail_openssl(Reason::certificate_malformed, ErrorSource::kInternal, "own certificate");
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1)
    return fail_openssl(Reason::key_mismatch, ErrorSource::kInternal, own_.id.to_string());
  for (size_t i = 1; i < chain.size(); ++i)
    if (SSL_CTX_add1_chain_cert(ctx, chain[i].get()) != 1) return setup_failed("own chain");
  // OpenSSL would otherwise complete our chain from the trust store at every handshake.
  SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
  return {};
}

Result<void> TlsContext::load_trust(std::string_view bundle) {
  const auto roots = read_certificates(bundle);
  if (!roots) return refuse(Reason::trust_bundle_invalid, roots.error().context);
  const StorePtr store(X509_STORE_new());
  if (!store) return setup_failed("trust store");
  for (const auto& root : *roots) {
    if (!is_issuer(root.get()))
      return refuse(Reason::trust_bundle_invalid, "a certificate that is not a CA");
    if (X509_STORE_add_cert(store.get(), root.get()) != 1) return setup_failed("trust store");
  }
  SSL_CTX_set1_cert_store(ssl_ctx_.get(), store.get());
  return {};
}

Result<SslPtr> TlsContext::make_ssl(PeerCheck& check) const {
  SslPtr ssl(SSL_new(ssl_ctx_.get()));
  if (!ssl || SSL_set_app_data(ssl.get(), &check) != 1) return setup_failed("SSL");
  return ssl;
}

Result<void> TlsContext::verify(X509_STORE_CTX* chain, PeerCheck& check) const {
  // Purpose (client or server authentication), times, signatures and depth; OpenSSL has set the
  // purpose by our role before it called us.
  if (X509_verify_cert(chain) != 1) {
    const int error = X509_STORE_CTX_get_error(chain);
    return refuse(reason_of_verify_error(error), X509_verify_cert_error_string(error));
  }
  const STACK_OF(X509)* verified = X509_STORE_CTX_get0_chain(chain);
  for (int i = 1; i < sk_X509_num(verified); ++i)
    if (!is_issuer(sk_X509_value(verified, i)))
      return refuse(Reason::certificate_untrusted, "an issuer that is not a CA");
  KS_ASSIGN(PeerIdentity peer, peer_identity(sk_X509_value(verified, 0)));
  const auto& expected = check.expected;
  if (expected.empty() && peer.id.trust_domain != own_.id.trust_domain)
    return refuse(Reason::trust_domain_mismatch, peer.id.to_string());
  if (!expected.empty() && std::find(expected.begin(), expected.end(), peer.id) == expected.end())
    return refuse(Reason::identity_mismatch, peer.id.to_string());
  check.peer = std::move(peer);
  return {};
}

int TlsContext::on_verify(X509_STORE_CTX* chain, void* self) noexcept {
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& check = *static_cast<PeerCheck*>(SSL_get_app_data(ssl));
  check.peer.reset();
  auto verified = static_cast<const TlsContext*>(self)->verify(chain, check);
  if (verified) {
    X509_STORE_CTX_set_error(chain, X509_V_OK);
    return 1;
  }
  check.error = std::move(verified).error();
  // OpenSSL picks the alert by this number. Chain errors keep theirs; our own rules use one that it
  // maps to certificate_unknown (46), which is what ztunnel sends for them.
  if (X509_STORE_CTX_get_error(chain) == X509_V_OK)
    X509_STORE_CTX_set_error(chain, X509_V_ERR_PERMITTED_VIOLATION);
  return 0;
}

}  // namespace keelson::tls
