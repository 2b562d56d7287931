// A peer that demands answers faster than it takes them: OpenSSL itself as the server, byte by
// byte under the test's control.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "tls_peers.h"

namespace keelson::tls {
namespace {

using test::spiffe_id;

class DemandingServer {
 public:
  DemandingServer(const TlsContext& context, test::Pipe& in, test::Pipe& out) : in_(in), out_(out) {
    auto made = context.make_ssl(check_);
    EXPECT_TRUE(made);
    ssl_ = std::move(*made);
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_.get());
  }
  bool handshake() {
    take();
    const bool is_done = SSL_do_handshake(ssl_.get()) == 1;
    give();
    return is_done;
  }
  void demand_key_update() {
    ASSERT_EQ(SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(ssl_.get()), 1);
    give();
  }
  void say(std::string_view text) {
    size_t written = 0;
    ASSERT_EQ(SSL_write_ex(ssl_.get(), text.data(), text.size(), &written), 1);
    give();
  }

 private:
  void take() {
    const std::string bytes = bytes_of(in_);
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  }
  static std::string bytes_of(test::Pipe& pipe) {
    std::string text;
    for (const std::byte byte : pipe.bytes) text += static_cast<char>(byte);
    pipe.bytes.clear();
    return text;
  }
  void give() {
    char* data = nullptr;
    BIO* bio = SSL_get_wbio(ssl_.get());
    const auto size = static_cast<size_t>(BIO_get_mem_data(bio, &data));
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    out_.bytes.insert(out_.bytes.end(), bytes, bytes + size);
    BIO_reset(bio);
  }

  test::Pipe& in_;
  test::Pipe& out_;
  PeerCheck check_;
  SslPtr ssl_;
};

// Found by review: one read() answered whatever a peer demanded as long as its demands came in, and
// after the bound only the lower stream's on_writable() let the reader go on, so that answers which
// left with a write() of our own left it waiting for ever.
TEST(TlsHoldTest, AReaderThatWasHeldGoesOnWhenAWriteSendsTheAnswers) {
  const test::TestMesh mesh;
  InlineSigner signer;
  BlockPool pool;
  auto to_client = std::make_shared<test::Pipe>();
  auto to_server = std::make_shared<test::Pipe>();
  to_server->capacity = SIZE_MAX;
  to_client->capacity = SIZE_MAX;
  const auto server_context = TlsContext::make(mesh.material("pay", "till"));
  const auto client_context = TlsContext::make(mesh.material("shop", "cart"));
  ASSERT_TRUE(server_context && client_context);
  DemandingServer server(**server_context, *to_server, *to_client);
  auto end = std::make_unique<test::MemoryStream>(to_client, to_server);
  test::MemoryStream& lower = *end;
  auto made = TlsStream::connect({*client_context, std::move(end), pool, signer},
                                 {spiffe_id("pay", "till")});
  ASSERT_TRUE(made);
  test::TlsPeer client(pool);
  client.take(std::move(*made));
  bool is_done = false;
  for (int turn = 0; turn < 10 && !is_done; ++turn) {
    client.work();
    lower.announce();
    is_done = server.handshake();
  }
  lower.announce();
  client.work();
  ASSERT_TRUE(client.stream->is_established());

  to_server->capacity = 0;  // the peer takes nothing
  for (int update = 0; update < 6000; ++update) server.demand_key_update();
  server.say("after the demands");
  lower.announce();
  client.work();
  ASSERT_FALSE(client.error) << client.error->message();
  ASSERT_EQ(client.received, "");
  ASSERT_FALSE(client.may_read);
  EXPECT_LE(pool.counts().in_use, 2 * TlsStream::kCipherBytesHigh / kBlockBytes + 2);

  to_server->capacity = SIZE_MAX;  // the loop has not said so yet: our own write finds it
  client.may_write = true;
  client.write("ours");
  client.work();
  EXPECT_TRUE(client.may_read);
  client.work();
  EXPECT_EQ(client.received, "after the demands");
}

}  // namespace
}  // namespace keelson::tls
