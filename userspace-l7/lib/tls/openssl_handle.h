// OpenSSL handles with an owner, secrets that wipe themselves, and OpenSSL's error queue as an
// Error. Every handle is used by one thread at a time. Nothing else in the tree calls an OpenSSL
// `_free`.
#pragma once

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace keelson::tls {

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* handle) const noexcept {
    kFree(handle);
  }
};

using BioPtr = std::unique_ptr<BIO, Freer<BIO_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, Freer<X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Freer<X509_STORE_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;

// Bytes of a private key: never copied, wiped when destroyed.
class SecretBytes {
 public:
  SecretBytes() noexcept = default;
  explicit SecretBytes(std::string bytes) noexcept : bytes_(std::move(bytes)) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.wipe(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    bytes_ = std::move(other.bytes_);
    other.wipe();  // a short string is copied by its move, not handed over
    return *this;
  }
  ~SecretBytes() { wipe(); }

  std::string_view view() const noexcept { return bytes_; }
  bool empty() const noexcept { return bytes_.empty(); }
  SecretBytes clone() const { return SecretBytes(bytes_); }  // named, so that copies are visible

 private:
  void wipe() noexcept {
    if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
    bytes_.clear();
  }
  std::string bytes_;
};

// Empties this thread's OpenSSL error queue, which SSL_get_error() looks at. Cheap when it is
// empty: ERR_clear_error() goes through all of it, 840 instructions.
void clear_openssl_errors() noexcept;
// The same; the oldest entry (the cause) becomes the text.
std::string take_openssl_error();
Failure fail_openssl(Reason reason, ErrorSource source, std::string_view context);

}  // namespace keelson::tls
