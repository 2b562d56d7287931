#include "proxy/serving_config.h"

#include <gtest/gtest.h>

#include "support/cert_fixture.h"

namespace keelson::proxy {
namespace {

constexpr uint64_t kCart = 1;
constexpr uint64_t kPay = 2;

struct Bench {
  test::TestMesh mesh;

  std::shared_ptr<const std::string> material(const std::string& account) {
    const auto encoded = tls::encode_key_material(mesh.material("shop", account));
    return std::make_shared<const std::string>(encoded->view());
  }
  static std::shared_ptr<const config::RuntimeConfig> config(
      uint64_t generation, std::shared_ptr<const std::string> cart,
      std::shared_ptr<const std::string> pay) {
    auto made = std::make_shared<config::RuntimeConfig>();
    made->generation = generation;
    made->identities[kCart] = std::make_shared<const config::Identity>(
        config::Identity{"cluster.local/ns/shop/sa/cart", std::move(cart)});
    made->identities[kPay] = std::make_shared<const config::Identity>(
        config::Identity{"cluster.local/ns/shop/sa/pay", std::move(pay)});
    return made;
  }
};

TEST(ServingConfig, UnchangedMaterialKeepsItsContext) {
  Bench bench;
  const auto cart = bench.material("cart");
  std::vector<Error> findings;
  const auto first =
      make_serving_config(bench.config(1, cart, bench.material("pay")), nullptr, findings);
  const auto second = make_serving_config(
      bench.config(2, std::make_shared<const std::string>(*cart), bench.material("pay")),
      first.get(), findings);
  EXPECT_TRUE(findings.empty());
  ASSERT_NE(first->context(kCart), nullptr);
  EXPECT_EQ(first->context(kCart), second->context(kCart));
  EXPECT_NE(first->context(kPay), second->context(kPay)) << "renewed";
}

TEST(ServingConfig, UnusableMaterialKeepsTheLastGoodContextAndIsReported) {
  Bench bench;
  std::vector<Error> findings;
  const auto first = make_serving_config(
      bench.config(1, bench.material("cart"), bench.material("pay")), nullptr, findings);
  const auto second = make_serving_config(
      bench.config(2, std::make_shared<const std::string>("rubbish"), bench.material("pay")),
      first.get(), findings);
  EXPECT_EQ(first->context(kCart), second->context(kCart));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].reason, Reason::key_material_malformed);
  EXPECT_NE(second->context(kPay), nullptr) << "the others advance";
}

TEST(ServingConfig, MaterialOfAnotherIdentityIsRefused) {
  Bench bench;
  std::vector<Error> findings;
  const auto made = make_serving_config(
      bench.config(1, bench.material("pay"), bench.material("pay")), nullptr, findings);
  EXPECT_EQ(made->context(kCart), nullptr);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].reason, Reason::identity_mismatch);
}

TEST(ServingConfig, PeersHaveNoContext) {
  Bench bench;
  std::vector<Error> findings;
  const auto made =
      make_serving_config(bench.config(1, bench.material("cart"), nullptr), nullptr, findings);
  EXPECT_EQ(made->context(kPay), nullptr);
  EXPECT_TRUE(findings.empty());
}

}  // namespace
}  // namespace keelson::proxy
