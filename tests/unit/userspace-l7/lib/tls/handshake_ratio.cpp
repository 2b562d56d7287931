// keelson-handshake ROUNDS COUNT: CPU of COUNT full mutual TLS 1.3 handshakes in memory, ours and
// those of stock OpenSSL in turns, both sides together, as one JSON object with a sample a round.
// Both have the same P-256 certificates and the same root. Stock means: a context with certificate,
// key, root and "verify the peer", nothing else set; it does not look at the SPIFFE id, which ours
// does. Not a test; the scenario `handshake` of tools/bench runs it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "base/assert.h"
#include "tls_peers.h"

namespace keelson::tls {
namespace {

double cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

class Ours {
 public:
  explicit Ours(const test::TestMesh& mesh)
      : client_(*TlsContext::make(mesh.material("shop", "cart"))),
        server_(*TlsContext::make(mesh.material("pay", "till"))) {}

  void handshake() {
    test::TlsPeers peers(signer_);
    peers.begin_with(client_, server_, {test::spiffe_id("pay", "till")});
    peers.run();
    KS_ASSERT(peers.client.stream->is_established() && peers.server.stream->is_established());
  }

 private:
  std::shared_ptr<const TlsContext> client_, server_;
  InlineSigner signer_;
};

class Stock {
 public:
  explicit Stock(const test::TestMesh& mesh)
      : client_(context(mesh, "shop", "cart")), server_(context(mesh, "pay", "till")) {}

  void handshake() {
    const SslPtr client(SSL_new(client_.get())), server(SSL_new(server_.get()));
    join(client.get(), server.get());
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    while (SSL_is_init_finished(client.get()) == 0 || SSL_is_init_finished(server.get()) == 0) {
      advance(client.get());
      advance(server.get());
    }
    char nothing = 0;  // as any reader would: takes the tickets in
    KS_ASSERT(SSL_read(client.get(), &nothing, 1) < 0);
  }

 private:
  static SslCtxPtr context(const test::TestMesh& mesh, const char* ns, const char* account) {
    const auto leaf = test::make_signed(
        test::CertSpec::of(fmt::format("spiffe://cluster.local/ns/{}/sa/{}", ns, account)),
        mesh.root);
    SslCtxPtr made(SSL_CTX_new(TLS_method()));
    KS_ASSERT(
        SSL_CTX_use_certificate(made.get(), leaf.certificate.get()) == 1 &&
        SSL_CTX_use_PrivateKey(made.get(), leaf.key.get()) == 1 &&
        X509_STORE_add_cert(SSL_CTX_get_cert_store(made.get()), mesh.root.certificate.get()) == 1);
    SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    const unsigned char name[] = "bench";  // OpenSSL wants one where clients have certificates
    SSL_CTX_set_session_id_context(made.get(), name, sizeof name);
    return made;
  }

  static void join(SSL* client, SSL* server) {
    BIO* to_client = BIO_new(BIO_s_mem());
    BIO* to_server = BIO_new(BIO_s_mem());
    for (BIO* bio : {to_client, to_server}) {
      BIO_set_mem_eof_return(bio, -1);  // empty means: later
      BIO_up_ref(bio);                  // both ends own it
    }
    SSL_set_bio(client, to_client, to_server);
    SSL_set_bio(server, to_server, to_client);
  }

  static void advance(SSL* end) {
    const int done = SSL_do_handshake(end);
    KS_ASSERT(done == 1 || SSL_get_error(end, done) == SSL_ERROR_WANT_READ);
  }

  SslCtxPtr client_, server_;
};

template <class Side>
double cost_us(Side& side, int count) {
  const double before = cpu_us();
  for (int i = 0; i < count; ++i) side.handshake();
  return (cpu_us() - before) / count;
}

void compare(int rounds, int count) {
  const test::TestMesh mesh;
  Ours ours(mesh);
  Stock stock(mesh);
  std::vector<double> ours_us, stock_us;
  for (int round = 0; round < rounds; ++round) {
    ours_us.push_back(cost_us(ours, count));
    stock_us.push_back(cost_us(stock, count));
  }
  fmt::print(R"({{"keelson_us":[{:.2f}],"openssl_us":[{:.2f}],"openssl":"{}"}})"
             "\n",
             fmt::join(ours_us, ","), fmt::join(stock_us, ","), OpenSSL_version(OPENSSL_VERSION));
}

}  // namespace
}  // namespace keelson::tls

int main(int argc, char** argv) {
  const int rounds = argc == 3 ? std::atoi(argv[1]) : 0;
  const int count = argc == 3 ? std::atoi(argv[2]) : 0;
  if (rounds < 1 || count < 1) {
    fmt::print(stderr, "usage: keelson-handshake ROUNDS COUNT\n");
    return 2;
  }
  keelson::tls::compare(rounds, count);
}
