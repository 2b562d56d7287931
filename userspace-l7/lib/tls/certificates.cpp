#include "tls/certificates.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <cstdlib>
#include <ctime>

namespace keelson::tls {
namespace {

constexpr size_t kCertificatesMax = 32;
constexpr std::string_view kPemMark = "-----BEGIN ";

Failure malformed(std::string_view context) {
  return fail_openssl(Reason::certificate_malformed, ErrorSource::kInternal, context);
}

BioPtr memory_of(std::string_view bytes) {
  return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// Never asks a terminal for a pass phrase.
int no_pass_phrase(char*, int, int, void*) {
  return 0;
}

Result<std::vector<CertPtr>> read_pem(std::string_view pem) {
  std::vector<CertPtr> certificates;
  const BioPtr bio = memory_of(pem);
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr)) {
    certificates.emplace_back(next);
    if (certificates.size() > kCertificatesMax) return malformed("more than 32 certificates");
  }
  const unsigned long last = ERR_peek_last_error();
  if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
    return malformed("bad PEM block");
  ERR_clear_error();
  return certificates;
}

Result<std::vector<CertPtr>> read_der(std::string_view der) {
  std::vector<CertPtr> certificates;
  auto at = reinterpret_cast<const unsigned char*>(der.data());
  const auto end = at + der.size();
  while (at != end) {
    X509* next = d2i_X509(nullptr, &at, end - at);
    if (next == nullptr) return malformed("bad DER certificate");
    certificates.emplace_back(next);
    if (certificates.size() > kCertificatesMax) return malformed("more than 32 certificates");
  }
  return certificates;
}

WallTime wall_time(const ASN1_TIME* time) noexcept {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return WallTime{};
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

std::string contents_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

}  // namespace

Result<std::vector<CertPtr>> read_certificates(std::string_view pem_or_der) {
  const bool is_pem = pem_or_der.find(kPemMark) != std::string_view::npos;
  auto certificates = is_pem ? read_pem(pem_or_der) : read_der(pem_or_der);
  if (certificates && certificates->empty()) return malformed("no certificate");
  return certificates;
}

Result<KeyPtr> read_private_key(std::string_view pem_or_der) {
  KeyPtr key;
  if (pem_or_der.starts_with(kPemMark)) {
    const BioPtr bio = memory_of(pem_or_der);
    key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr));
  } else {
    auto at = reinterpret_cast<const unsigned char*>(pem_or_der.data());
    const auto end = at + pem_or_der.size();
    key.reset(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(pem_or_der.size())));
    if (key && at != end) key.reset();
  }
  if (!key) return fail_openssl(Reason::key_invalid, ErrorSource::kInternal, "private key");
  ERR_clear_error();  // the decoders leave the formats they tried first in the queue
  return key;
}

Result<KeyPtr> generate_p256_key() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return fail_openssl(Reason::key_invalid, ErrorSource::kInternal, "generating a key");
  return key;
}

bool is_p256(const EVP_PKEY* key) noexcept {
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
  char group[64] = {};
  size_t size = 0;
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &size) !=
      1)
    return false;
  int is_explicit = 0;
  EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit);
  return is_explicit == 0 && std::string_view(group, size) == SN_X9_62_prime256v1;
}

bool is_signed_by(X509* certificate, X509* root) noexcept {
  const bool is_signed = X509_verify(certificate, X509_get0_pubkey(root)) == 1;
  ERR_clear_error();
  return is_signed;
}

std::string to_der(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return {};
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

std::string to_pem(const X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return {};
  return contents_of(bio.get());
}

SecretBytes to_pkcs8_der(const EVP_PKEY* key) {
  // BIO_s_secmem: a BIO_s_mem would leave the key in freed memory.
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (!bio || i2d_PKCS8PrivateKey_bio(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return {};
  return SecretBytes(contents_of(bio.get()));
}

WallTime not_before(const X509* certificate) noexcept {
  return wall_time(X509_get0_notBefore(certificate));
}
WallTime not_after(const X509* certificate) noexcept {
  return wall_time(X509_get0_notAfter(certificate));
}

std::string serial_hex(const X509* certificate) {
  using NumberPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;
  const NumberPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* hex = number ? BN_bn2hex(number.get()) : nullptr;
  std::string text = hex != nullptr ? hex : "";
  OPENSSL_free(hex);
  return text;
}

}  // namespace keelson::tls
