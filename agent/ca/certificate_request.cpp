#include "ca/certificate_request.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/content_id.h"
#include "tls/certificates.h"

namespace keelson::ca {
namespace {

using tls::Freer;

void free_extensions(STACK_OF(X509_EXTENSION) * extensions) noexcept {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), Freer<free_extensions>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

Failure refuse(Reason reason, std::string what) {
  ERR_clear_error();
  return fail(reason, ErrorSource::kInternal, std::move(what));
}

// Exactly one request and not a byte beside it: what was hashed for the log is what was read.
tls::RequestPtr read_request(std::string_view pem_or_der) {
  tls::RequestPtr request;
  const auto size = static_cast<long>(pem_or_der.size());
  if (pem_or_der.starts_with("-----BEGIN ")) {
    const tls::BioPtr bio(BIO_new_mem_buf(pem_or_der.data(), static_cast<int>(size)));
    request.reset(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
    if (BIO_pending(bio.get()) != 0) return nullptr;
  } else {
    auto at = reinterpret_cast<const unsigned char*>(pem_or_der.data());
    const auto end = at + size;
    request.reset(d2i_X509_REQ(nullptr, &at, size));
    if (at != end) return nullptr;
  }
  return request;
}

Result<std::optional<tls::SpiffeId>> read_claim(X509_REQ* request) {
  const ExtensionsPtr extensions(X509_REQ_get_extensions(request));
  if (!extensions) return std::optional<tls::SpiffeId>();
  int critical = 0;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509V3_get_d2i(extensions.get(), NID_subject_alt_name, &critical, nullptr)));
  if (!names) {
    if (critical == -1) return std::optional<tls::SpiffeId>();
    return refuse(Reason::csr_malformed, "subject alternative names cannot be read");
  }
  const GENERAL_NAME* only = sk_GENERAL_NAME_value(names.get(), 0);
  if (sk_GENERAL_NAME_num(names.get()) != 1 || only->type != GEN_URI)
    return refuse(Reason::csr_identity_mismatch, "asks for something that is not one URI");
  const ASN1_IA5STRING* uri = only->d.uniformResourceIdentifier;
  auto id = tls::SpiffeId::parse({reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                  static_cast<size_t>(ASN1_STRING_length(uri))});
  if (!id) return refuse(Reason::csr_identity_mismatch, id.error().message());
  return std::optional<tls::SpiffeId>(std::move(*id));
}

}  // namespace

Result<CertificateRequest> CertificateRequest::parse(std::string_view pem_or_der) {
  if (pem_or_der.empty() || pem_or_der.size() > kRequestBytesMax)
    return refuse(Reason::csr_malformed, "size " + std::to_string(pem_or_der.size()));
  CertificateRequest parsed;
  parsed.request_ = read_request(pem_or_der);
  if (!parsed.request_) return refuse(Reason::csr_malformed, "not one PKCS#10 request");
  // The key first: verifying by a key of the sender's choice is work of the sender's choice.
  EVP_PKEY* key = X509_REQ_get0_pubkey(parsed.request_.get());
  if (!tls::is_p256(key)) return refuse(Reason::csr_key_refused, "not a P-256 key");
  if (X509_REQ_verify(parsed.request_.get(), key) != 1)
    return refuse(Reason::csr_proof_failed, "bad self-signature");
  KS_ASSIGN(parsed.claimed_id_, read_claim(parsed.request_.get()));
  parsed.sha256_hex_ = keelson::sha256_hex(pem_or_der);
  return parsed;
}

Result<std::string> make_certificate_request(EVP_PKEY* key, const tls::SpiffeId& id) {
  const auto failed = [](std::string_view what) {
    return tls::fail_openssl(Reason::csr_malformed, ErrorSource::kInternal, what);
  };
  const tls::RequestPtr request(X509_REQ_new());
  if (!request || X509_REQ_set_pubkey(request.get(), key) != 1) return failed("request key");
  const std::string value = "URI:" + id.to_string();
  const ExtensionPtr san(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, value.c_str()));
  const ExtensionsPtr extensions(sk_X509_EXTENSION_new_null());
  if (!san || !extensions) return failed("request SAN");
  if (sk_X509_EXTENSION_push(extensions.get(), X509_EXTENSION_dup(san.get())) <= 0 ||
      X509_REQ_add_extensions(request.get(), extensions.get()) != 1)
    return failed("request extensions");
  if (X509_REQ_sign(request.get(), key, EVP_sha256()) <= 0) return failed("request signature");
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  if (size <= 0) return failed("request encoding");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

}  // namespace keelson::ca
