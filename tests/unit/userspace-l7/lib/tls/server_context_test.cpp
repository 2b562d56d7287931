// TlsContext::make_server: a server known by its DNS name, whose clients prove themselves later.
#include <gtest/gtest.h>

#include "cert_fixture.h"
#include "tls/tls_context.h"

namespace keelson::tls {
namespace {

test::TestIdentity server_identity(const test::TestIdentity& root) {
  test::CertSpec spec;
  spec.uris.clear();
  spec.dns_names = {"keelson-ca.keelson-system.svc"};
  spec.extended_key_usage = "serverAuth";
  return test::make_signed(spec, root);
}

TEST(ServerContext, NeedsNoSpiffeIdAndOffersHttp11) {
  const auto root = test::make_self_signed(test::CertSpec::ca("root"));
  const auto server = server_identity(root);
  const auto context = TlsContext::make_server({server.key_pem(), server.cert_pem()});
  ASSERT_TRUE(context) << context.error().message();
  EXPECT_FALSE((*context)->proves_peer());
  EXPECT_EQ((*context)->id(), SpiffeId());
  EXPECT_EQ((*context)->not_after(), not_after(server.certificate.get()));
  EXPECT_TRUE((*context)->admits_protocol("http/1.1"));
  EXPECT_TRUE((*context)->admits_protocol("")) << "a client that knows no ALPN";
  EXPECT_FALSE((*context)->admits_protocol("h2"));
}

TEST(ServerContext, IsNotMadeOfPartsThatDoNotFit) {
  const auto root = test::make_self_signed(test::CertSpec::ca("root"));
  const auto server = server_identity(root);
  const auto reason = [](std::string_view key, std::string_view chain) {
    const auto made = TlsContext::make_server({key, chain});
    return made ? Reason::none : made.error().reason;
  };
  EXPECT_EQ(reason(root.key_pem(), server.cert_pem()), Reason::key_mismatch);
  EXPECT_EQ(reason("x", server.cert_pem()), Reason::key_invalid);
  EXPECT_EQ(reason(server.key_pem(), "x"), Reason::certificate_malformed);
}

TEST(ServerContext, AMeshContextStillWantsHttp2AndAPeer) {
  const test::TestMesh mesh;
  const auto context = TlsContext::make(mesh.material("shop", "cart"));
  ASSERT_TRUE(context);
  EXPECT_TRUE((*context)->proves_peer());
  EXPECT_TRUE((*context)->admits_protocol("h2"));
  EXPECT_FALSE((*context)->admits_protocol(""));
  EXPECT_FALSE((*context)->admits_protocol("http/1.1"));
}

}  // namespace
}  // namespace keelson::tls
