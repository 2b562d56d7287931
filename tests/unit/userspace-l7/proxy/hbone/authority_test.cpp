#include "proxy/hbone/authority.h"

#include <gtest/gtest.h>

namespace keelson::hbone {
namespace {

TEST(Authority, TakesAddressesAndNamesWithAPort) {
  const auto v4 = Authority::parse("10.0.0.2:8080");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->endpoint().to_string(), "10.0.0.2:8080");
  const auto v6 = Authority::parse("[FD00::1]:1");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->endpoint().to_string(), "[fd00::1]:1");
  const auto name = Authority::parse("Cart.shop.svc.cluster.local:65535");
  ASSERT_TRUE(name);
  EXPECT_FALSE(name->address);
  EXPECT_EQ(name->to_string(), "cart.shop.svc.cluster.local:65535");
}

class BadAuthority : public ::testing::TestWithParam<const char*> {};

TEST_P(BadAuthority, IsRefused) {
  const auto parsed = Authority::parse(GetParam());
  ASSERT_FALSE(parsed) << parsed->to_string();
  EXPECT_EQ(parsed.error().reason, Reason::hbone_bad_authority);
}

INSTANTIATE_TEST_SUITE_P(
    Spellings, BadAuthority,
    ::testing::Values("", ":", ":80", "10.0.0.2", "10.0.0.2:", "10.0.0.2:0", "10.0.0.2:080",
                      "10.0.0.2:65536", "10.0.0.2:99999999999", "10.0.0.2:+80", "10.0.0.2:80 ",
                      " 10.0.0.2:80", "10.0.0.2:80/x", "user@10.0.0.2:80", "fd00::1:80",
                      "[fd00::1]", "[fd00::1]80", "[fd00::1:80", "fd00::1]:80", "[10.0.0.2]:80",
                      "[::ffff:10.0.0.2]:80", "[fe80::1%eth0]:80", "[name]:80", "[]:80", "127.1:80",
                      "1.2.3:80", "0x7f.1:80", "010.0.0.2:80", "a..b:80", ".a:80", "a.:80", "-a:80",
                      "a b:80", "a\tb:80", "a%20b:80", "10.0.0.2:80:80", "name:80,other:80"));

}  // namespace
}  // namespace keelson::hbone
