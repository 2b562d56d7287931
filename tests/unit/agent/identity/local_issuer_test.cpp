#include "identity/local_issuer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tls/tls_context.h"

namespace keelson::identity {
namespace {

TEST(LocalIssuer, HandsOutMaterialThatMakesATlsContextAndSurvivesItsPayload) {
  std::string folder = ::testing::TempDir() + "keelson-issuer-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const SystemClock clock;
  auto authority = ca::Authority::open({.folder = folder, .trust_domain = "cluster.local"}, clock);
  ASSERT_TRUE(authority) << authority.error().message();
  LocalIssuer issuer(**authority);
  std::optional<Result<tls::KeyMaterial>> answer;
  issuer.issue({"cluster.local", "shop", "cart"},
               [&](Result<tls::KeyMaterial> result) { answer = std::move(result); });
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(answer && *answer) << (*answer).error().message();
  const auto payload = tls::encode_key_material(**answer);
  ASSERT_TRUE(payload);
  const auto decoded = tls::decode_key_material(payload->view());
  ASSERT_TRUE(decoded) << decoded.error().message();
  const auto context = tls::TlsContext::make(*decoded);
  ASSERT_TRUE(context) << context.error().message();
  EXPECT_EQ((*context)->id().to_string(), "spiffe://cluster.local/ns/shop/sa/cart");
  EXPECT_EQ((*context)->not_after(), decoded->not_after);
}

}  // namespace
}  // namespace keelson::identity
