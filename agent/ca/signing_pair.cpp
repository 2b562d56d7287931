#include "ca/signing_pair.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

#include "tls/certificates.h"
#include "tls/peer_identity.h"

namespace keelson::ca {
namespace {

constexpr std::string_view kKeyMark = "-----BEGIN PRIVATE KEY-----";

Failure invalid(std::string what) {
  ERR_clear_error();
  return fail(Reason::authority_state_invalid, ErrorSource::kConfig, std::move(what));
}

}  // namespace

Result<tls::SecretBytes> key_pem(const SigningPair& pair) {
  const tls::BioPtr bio(BIO_new(BIO_s_secmem()));
  char* data = nullptr;
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), pair.key.get(), nullptr, nullptr, 0, nullptr,
                                            nullptr) != 1)
    return tls::fail_openssl(Reason::internal, ErrorSource::kInternal, "encoding the CA's key");
  const long size = BIO_get_mem_data(bio.get(), &data);
  return tls::SecretBytes(std::string(data, static_cast<size_t>(size)));
}

Result<SigningPair> read_signing_pair(std::string_view key, std::string_view certificate,
                                      const std::string& name) {
  if (!key.starts_with(kKeyMark)) return invalid(name + " does not begin with a private key");
  auto read_key = tls::read_private_key(key);
  if (!read_key || !tls::is_p256(read_key->get())) return invalid(name + " holds no P-256 key");
  auto certificates = tls::read_certificates(certificate);
  if (!certificates || certificates->size() != 1)
    return invalid(name + " does not hold exactly one certificate");
  X509* only = certificates->front().get();
  if (X509_check_private_key(only, read_key->get()) != 1)
    return invalid(name + ": the key does not belong to the certificate");
  if (!tls::is_issuer(only)) return invalid(name + " is not a CA certificate");
  return SigningPair{std::move(certificates->front()), std::move(*read_key)};
}

Result<SigningPair> make_signing_pair(std::string_view trust_domain, Validity validity) {
  SigningPair pair;
  KS_ASSIGN(pair.key, tls::generate_p256_key());
  KS_ASSIGN(pair.certificate, build_root(pair.key.get(), trust_domain, validity));
  return pair;
}

Result<tls::CertPtr> sign_leaf(const SigningPair& pair, const LeafRules& rules,
                               const CertificateRequest& request, const tls::SpiffeId& id,
                               WallTime now) {
  if (id.trust_domain != rules.trust_domain)
    return fail(Reason::trust_domain_mismatch, ErrorSource::kInternal, id.to_string());
  KS_TRY(tls::SpiffeId::make(id.trust_domain, id.ns, id.service_account));
  if (request.claimed_id() && *request.claimed_id() != id)
    return fail(Reason::csr_identity_mismatch, ErrorSource::kInternal,
                request.claimed_id()->to_string());
  const WallTime end = tls::not_after(pair.certificate.get());
  if (now >= end || now < tls::not_before(pair.certificate.get()))
    return fail(Reason::certificate_expired, ErrorSource::kInternal, "the signing root");
  const Validity validity{now - rules.clock_skew, std::min(now + rules.lifetime, end)};
  return build_leaf(request.public_key(), id, validity, pair);
}

}  // namespace keelson::ca
