#include "support/https_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>

#include "base/assert.h"

namespace keelson::test {
namespace {

CertSpec leaf_spec() {
  CertSpec spec;
  spec.uris.clear();
  spec.dns_names = {"kube.test"};
  return spec;
}

size_t length_of(const std::string& head) {
  const size_t at = head.find("ontent-Length: ");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 15));
}

// One request; false: the client has closed.
bool read_request(SSL* ssl, std::string& buffer, HttpsServer::Request& request) {
  char chunk[4096];
  const auto fill = [&] {
    const int got = SSL_read(ssl, chunk, sizeof chunk);
    if (got > 0) buffer.append(chunk, static_cast<size_t>(got));
    return got > 0;
  };
  size_t end;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) return false;
  request.head = buffer.substr(0, end + 2);
  buffer.erase(0, end + 4);
  const size_t length = length_of(request.head);
  while (buffer.size() < length)
    if (!fill()) return false;
  request.body = buffer.substr(0, length);
  buffer.erase(0, length);
  return true;
}

}  // namespace

std::string HttpsServer::Request::target() const {
  const size_t begin = head.find(' ') + 1;
  return head.substr(begin, head.find(' ', begin) - begin);
}

bool HttpsServer::Writer::write(std::string_view bytes) {
  return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
}

void HttpsServer::Writer::answer(int status, std::string_view body, std::string_view headers) {
  write("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n" + std::string(headers) + "\r\n" + std::string(body));
}

void HttpsServer::Writer::begin_chunked() {
  write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

bool HttpsServer::Writer::chunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return write(size + std::string(bytes) + "\r\n");
}

void HttpsServer::Writer::wait_for_end() {
  char byte;
  SSL_read(ssl_, &byte, 1);
}

HttpsServer::HttpsServer(Script script, bool asks_for_certificate)
    : script_(std::move(script)),
      root_(make_self_signed(CertSpec::ca("server root"))),
      leaf_(make_signed(leaf_spec(), root_)),
      context_(SSL_CTX_new(TLS_server_method())),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  std::signal(SIGPIPE, SIG_IGN);
  SSL_CTX_use_certificate(context_, leaf_.certificate.get());
  SSL_CTX_use_PrivateKey(context_, leaf_.key.get());
  if (asks_for_certificate) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), root_.certificate.get());
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  KS_ASSERT(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  KS_ASSERT(::listen(listener_.get(), 16) == 0);
  KS_ASSERT(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &length) == 0);
  port_ = ntohs(at.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

HttpsServer::~HttpsServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  SSL_CTX_free(context_);
}

void HttpsServer::accept_all() {
  while (true) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    const std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void HttpsServer::serve(int fd) {
  const Fd owned(fd);
  SSL* ssl = SSL_new(context_);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    std::string buffer;
    Request request;
    Writer writer(ssl);
    while (read_request(ssl, buffer, request) && script_(request, writer)) {
    }
    SSL_shutdown(ssl);
  }
  SSL_free(ssl);
  const std::lock_guard lock(mutex_);
  std::erase(open_, fd);
}

}  // namespace keelson::test
