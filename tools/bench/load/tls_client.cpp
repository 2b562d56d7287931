#include "tls_client.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/ip_address.h"

namespace keelson::load {
namespace {

constexpr size_t kReadBufferBytes = 32u << 10;  // some records with one recv()

constexpr unsigned char kAlpnHttp2[] = {2, 'h', '2'};
constexpr unsigned char kAlpnHttp1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

Failure unreadable(const std::string& file) {
  return fail(Reason::file_unreadable, ErrorSource::kConfig, file + ": " + take_tls_error());
}

}  // namespace

std::string take_tls_error() {
  const unsigned long first = ERR_get_error();
  ERR_clear_error();
  char text[256] = "";
  if (first != 0) ERR_error_string_n(first, text, sizeof text);
  return text;
}

Result<TlsClient> TlsClient::load(const TlsOptions& options) {
  TlsClient client;
  client.context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = client.context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kReadBufferBytes);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (options.ca.empty())
    SSL_CTX_set_default_verify_paths(context);
  else if (SSL_CTX_load_verify_file(context, options.ca.c_str()) != 1)
    return unreadable(options.ca);
  if (!options.certificate.empty()) {
    if (SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) != 1)
      return unreadable(options.certificate);
    if (SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
      return unreadable(options.key);
  }
  client.is_http2_ = options.is_http2;
  if (client.is_http2_)
    SSL_CTX_set_alpn_protos(context, kAlpnHttp2, sizeof kAlpnHttp2);
  else
    SSL_CTX_set_alpn_protos(context, kAlpnHttp1, sizeof kAlpnHttp1);
  client.server_name_ = options.server_name;
  client.is_address_ = IpAddress::parse(options.server_name).has_value();
  return client;
}

SslPtr TlsClient::open(int fd) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1) return nullptr;
  if (is_address_) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), server_name_.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl.get(), server_name_.c_str());
    SSL_set1_host(ssl.get(), server_name_.c_str());
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

bool TlsClient::is_protocol_agreed(const SSL* ssl) const {
  if (!is_http2_) return true;
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl, &name, &length);
  return length == 2 && name[0] == 'h' && name[1] == '2';
}

}  // namespace keelson::load
