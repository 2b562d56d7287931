#include "load_server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdlib>

namespace keelson::load::test {
namespace {

void require(bool ok) {
  if (!ok) std::abort();  // a server that cannot be made is a bug in the test
}

tls::SslCtxPtr make_context(const keelson::test::TestIdentity& identity,
                            const keelson::test::TestIdentity& root) {
  tls::SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
  require(SSL_CTX_use_certificate(context.get(), identity.certificate.get()) == 1);
  require(SSL_CTX_use_PrivateKey(context.get(), identity.key.get()) == 1);
  require(X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), root.certificate.get()) == 1);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  const auto choose = [](SSL*, const unsigned char** out, unsigned char* length,
                         const unsigned char* in, unsigned, void*) {
    *out = in + 1;  // the client's first
    *length = in[0];
    return SSL_TLSEXT_ERR_OK;
  };
  SSL_CTX_set_alpn_select_cb(context.get(), choose, nullptr);
  return context;
}

}  // namespace

const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";

std::string Channel::read() {
  char part[16384];
  const ssize_t count =
      ssl_ != nullptr ? SSL_read(ssl_, part, sizeof part) : ::recv(fd_, part, sizeof part, 0);
  return {part, count > 0 ? static_cast<size_t>(count) : 0};
}

bool Channel::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ssl_ != nullptr
                              ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                              : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

bool Channel::read_request() {
  size_t end = std::string::npos;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    const std::string more = read();
    if (more.empty()) return false;
    buffer_ += more;
  }
  buffer_.erase(0, end + 4);
  return true;
}

void Channel::cut() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void answer_all(Channel& channel) {
  while (channel.read_request() && channel.write(kAnswer)) {
  }
}

LoadServer::LoadServer(Serve serve, const keelson::test::TestIdentity* identity,
                       const keelson::test::TestIdentity* root)
    : serve_(std::move(serve)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  if (identity != nullptr) context_ = make_context(*identity, *root);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  require(::bind(listener_.get(), raw, length) == 0 && ::listen(listener_.get(), 256) == 0);
  require(::getsockname(listener_.get(), raw, &length) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

LoadServer::~LoadServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const Fd& fd : connections_)
      if (fd) ::shutdown(fd.get(), SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
}

void LoadServer::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    accepted_++;
    size_t index = 0;
    {
      const std::lock_guard lock(mutex_);
      index = connections_.size();
      connections_.emplace_back(fd);
    }
    threads_.emplace_back([this, fd, index] {
      serve_one(fd);
      const std::lock_guard lock(mutex_);
      connections_[index].reset();
    });
  }
}

void LoadServer::serve_one(int fd) {
  tls::SslPtr ssl;
  if (context_) {
    ssl.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), fd);
    if (SSL_accept(ssl.get()) != 1) return;
  }
  Channel channel(fd, ssl.get());
  serve_(channel);
}

}  // namespace keelson::load::test
