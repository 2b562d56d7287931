#include "ca/certificate_builder.h"

#include <openssl/bn.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

namespace keelson::ca {
namespace {

using tls::Freer;

Failure failed(std::string_view what) {
  return tls::fail_openssl(Reason::internal, ErrorSource::kInternal, what);
}

// 127 random bits: unique without a counter, unpredictable, positive in 16 bytes (RFC
// 5280, 4.1.2.2).
bool set_random_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // never zero, never short
  using NumberPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;
  const NumberPtr number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_validity(X509* certificate, const Validity& validity) {
  const std::time_t from = std::chrono::system_clock::to_time_t(validity.not_before);
  const std::time_t to = std::chrono::system_clock::to_time_t(validity.not_after);
  return ASN1_TIME_set(X509_getm_notBefore(certificate), from) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), to) != nullptr;
}

bool add_extension(X509* certificate, const X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), certificate, nullptr, nullptr, 0);
  using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

tls::CertPtr begin(const EVP_PKEY* public_key, const Validity& validity) {
  tls::CertPtr certificate(X509_new());
  const bool ok = certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                  set_random_serial(certificate.get()) &&
                  set_validity(certificate.get(), validity) &&
                  X509_set_pubkey(certificate.get(), const_cast<EVP_PKEY*>(public_key)) == 1;
  return ok ? std::move(certificate) : nullptr;
}

bool add_name(X509_NAME* name, const char* field, const std::string& value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

}  // namespace

Result<tls::CertPtr> build_root(EVP_PKEY* key, std::string_view trust_domain, Validity validity) {
  tls::CertPtr root = begin(key, validity);
  if (!root) return failed("root certificate");
  X509_NAME* name = X509_get_subject_name(root.get());
  // X.520 allows 64 bytes of common name; the URI below carries the whole domain.
  if (!add_name(name, "O", "Keelson") ||
      !add_name(name, "CN", std::string(trust_domain.substr(0, 64))) ||
      X509_set_issuer_name(root.get(), name) != 1)
    return failed("root name");
  X509* self = root.get();
  if (!add_extension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(self, self, NID_subject_key_identifier, "hash") ||
      !add_extension(self, self, NID_subject_alt_name, "URI:spiffe://" + std::string(trust_domain)))
    return failed("root extensions");
  if (X509_sign(self, key, EVP_sha256()) <= 0) return failed("root signature");
  return root;
}

Result<tls::CertPtr> build_leaf(const EVP_PKEY* public_key, const tls::SpiffeId& id,
                                Validity validity, const SigningPair& issuer) {
  tls::CertPtr leaf = begin(public_key, validity);
  if (!leaf) return failed("leaf certificate");
  const X509* parent = issuer.certificate.get();
  X509* self = leaf.get();
  if (X509_set_issuer_name(self, X509_get_subject_name(parent)) != 1) return failed("leaf issuer");
  if (!add_extension(self, parent, NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(self, parent, NID_key_usage, "critical,digitalSignature") ||
      !add_extension(self, parent, NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add_extension(self, parent, NID_subject_key_identifier, "hash") ||
      !add_extension(self, parent, NID_authority_key_identifier, "keyid:always") ||
      !add_extension(self, parent, NID_subject_alt_name, "critical,URI:" + id.to_string()))
    return failed("leaf extensions");
  if (X509_sign(self, issuer.key.get(), EVP_sha256()) <= 0) return failed("leaf signature");
  return leaf;
}

Result<tls::CertPtr> build_server_leaf(const EVP_PKEY* public_key,
                                       const std::vector<std::string>& dns_names, Validity validity,
                                       const SigningPair& issuer) {
  std::string names;
  for (const std::string& name : dns_names) {
    const bool is_sound = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    });
    if (!is_sound) return fail(Reason::bad_value, ErrorSource::kConfig, "DNS name '" + name + "'");
    names += (names.empty() ? "DNS:" : ",DNS:") + name;
  }
  tls::CertPtr leaf = begin(public_key, validity);
  if (!leaf || names.empty()) return failed("server certificate");
  const X509* parent = issuer.certificate.get();
  X509* self = leaf.get();
  if (X509_set_issuer_name(self, X509_get_subject_name(parent)) != 1)
    return failed("server certificate's issuer");
  if (!add_extension(self, parent, NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(self, parent, NID_key_usage, "critical,digitalSignature") ||
      !add_extension(self, parent, NID_ext_key_usage, "serverAuth") ||
      !add_extension(self, parent, NID_subject_key_identifier, "hash") ||
      !add_extension(self, parent, NID_authority_key_identifier, "keyid:always") ||
      !add_extension(self, parent, NID_subject_alt_name, "critical," + names))
    return failed("server certificate's extensions");
  if (X509_sign(self, issuer.key.get(), EVP_sha256()) <= 0)
    return failed("server certificate's signature");
  return leaf;
}

}  // namespace keelson::ca
