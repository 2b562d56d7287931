// TlsClient: how connections of this run speak TLS: the CA that the server's certificate must come
// from and the name it must carry, our own certificate, and ALPN. One thread. Never resumes a
// session: every connection pays a full handshake, as the first one between two parties does.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace keelson::load {

struct SslFreer {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using SslPtr = std::unique_ptr<SSL, SslFreer>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, SslFreer>;

struct TlsOptions {
  std::string ca;                // PEM file; empty: the system's
  std::string certificate, key;  // PEM files; empty: no client certificate
  std::string server_name;       // DNS name or address
  bool is_http2 = false;
};

class TlsClient {
 public:
  // Error: file_unreadable, with the file.
  static Result<TlsClient> load(const TlsOptions& options);

  // Over a connected socket that outlives it. Nothing: out of memory.
  SslPtr open(int fd) const;
  // After the handshake: HTTP/2 was agreed on, or was not asked for.
  bool is_protocol_agreed(const SSL* ssl) const;

 private:
  TlsClient() = default;

  SslCtxPtr context_;
  std::string server_name_;
  bool is_address_ = false;
  bool is_http2_ = false;
};

// Empties OpenSSL's error queue; the oldest entry is the cause.
std::string take_tls_error();

}  // namespace keelson::load
