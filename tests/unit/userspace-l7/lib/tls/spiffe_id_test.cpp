#include "tls/spiffe_id.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace keelson::tls {
namespace {

TEST(SpiffeId, ReadsAndWritesTheOneSpelling) {
  const std::string uri = "spiffe://cluster.local/ns/shop/sa/cart-7.reader";
  const auto id = SpiffeId::parse(uri);
  ASSERT_TRUE(id) << id.error().message();
  EXPECT_EQ(id->trust_domain, "cluster.local");
  EXPECT_EQ(id->ns, "shop");
  EXPECT_EQ(id->service_account, "cart-7.reader");
  EXPECT_EQ(id->to_string(), uri);
}

TEST(SpiffeId, AcceptsWhatTheSpecificationAllowsInATrustDomain) {
  using namespace std::string_literals;
  for (const std::string& domain :
       {"a"s, "td-1"s, "my_domain.example"s, "10.0.0.1"s, std::string(255, 'd')})
    EXPECT_TRUE(SpiffeId::make(domain, "ns", "sa")) << domain;
}

TEST(SpiffeId, AcceptsNamesUpToTheirLimitAndRefusesOneMore) {
  EXPECT_TRUE(SpiffeId::make("td", std::string(63, 'n'), std::string(253, 's')));
  EXPECT_FALSE(SpiffeId::make("td", std::string(64, 'n'), "s"));
  EXPECT_FALSE(SpiffeId::make("td", "n", std::string(254, 's')));
  EXPECT_FALSE(SpiffeId::make(std::string(256, 't'), "n", "s"));
}

std::vector<std::string> malformed_ids() {
  using namespace std::string_literals;
  return {
      "",
      "spiffe://",
      "spiffe:///ns/shop/sa/cart",
      "spiffe:/cluster.local/ns/shop/sa/cart",
      "spiffe:cluster.local/ns/shop/sa/cart",
      "SPIFFE://cluster.local/ns/shop/sa/cart",
      "Spiffe://cluster.local/ns/shop/sa/cart",
      "http://cluster.local/ns/shop/sa/cart",
      "https://cluster.local/ns/shop/sa/cart",
      " spiffe://cluster.local/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/cart ",
      "spiffe://cluster.local/ns/shop/sa/cart\n",
      "spiffe://cluster.local/ns/shop/sa/cart\0"s,
      "spiffe://cluster.local/ns/shop/sa/cart\0.evil"s,
      "spiffe://cluster.local\0.evil/ns/shop/sa/cart"s,
      "spiffe://Cluster.local/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/Shop/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/Cart",
      "spiffe://cluster.local/NS/shop/sa/cart",
      "spiffe://cluster.local/ns/shop/SA/cart",
      "spiffe://cluster.local",
      "spiffe://cluster.local/",
      "spiffe://cluster.local/ns",
      "spiffe://cluster.local/ns/shop",
      "spiffe://cluster.local/ns/shop/sa",
      "spiffe://cluster.local/ns/shop/sa/",
      "spiffe://cluster.local/ns/shop/sa/cart/",
      "spiffe://cluster.local/ns/shop/sa/cart/x",
      "spiffe://cluster.local//ns/shop/sa/cart",
      "spiffe://cluster.local/ns//shop/sa/cart",
      "spiffe://cluster.local/ns/shop//sa/cart",
      "spiffe://cluster.local/ns/shop/sa//cart",
      "spiffe://cluster.local/ns//sa/cart",
      "spiffe://cluster.local/ns/./sa/cart",
      "spiffe://cluster.local/ns/../sa/cart",
      "spiffe://cluster.local/ns/shop/sa/.",
      "spiffe://cluster.local/ns/shop/sa/..",
      "spiffe://cluster.local/ns/shop/../pay/sa/cart",
      "spiffe://cluster.local/sa/cart/ns/shop",
      "spiffe://cluster.local/workload/shop/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/cart?x=1",
      "spiffe://cluster.local/ns/shop/sa/cart?",
      "spiffe://cluster.local/ns/shop/sa/cart#top",
      "spiffe://cluster.local/ns/shop/sa/cart#",
      "spiffe://cluster.local:443/ns/shop/sa/cart",
      "spiffe://cluster.local:/ns/shop/sa/cart",
      "spiffe://user@cluster.local/ns/shop/sa/cart",
      "spiffe://user:pw@cluster.local/ns/shop/sa/cart",
      "spiffe://@cluster.local/ns/shop/sa/cart",
      "spiffe://[fd00::1]/ns/shop/sa/cart",
      "spiffe://cluster%2elocal/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/sh%6fp/sa/cart",
      "spiffe://cluster.local/ns/shop%2fsa/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/cart%00",
      "spiffe://cluster.local/ns/shop/sa/c\xc3\xa4rt",
      "spiffe://cl\xd1\x83ster.local/ns/shop/sa/cart",
      "spiffe://*/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/*/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/*",
      "spiffe://./ns/shop/sa/cart",
      "spiffe://../ns/shop/sa/cart",
      "spiffe://cluster.local/ns/-shop/sa/cart",
      "spiffe://cluster.local/ns/shop-/sa/cart",
      "spiffe://cluster.local/ns/sh.op/sa/cart",
      "spiffe://cluster.local/ns/sh_op/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/cart_1",
      "spiffe://cluster.local/ns/shop/sa/.cart",
      "spiffe://cluster.local/ns/shop/sa/cart.",
      "spiffe://cluster.local/ns/shop/sa/ca..rt",
      "spiffe://cluster.local/ns/shop/sa/ca,rt",
      "spiffe://cluster.local\\ns\\shop\\sa\\cart",
      "spiffe://cluster.local/ns/shop/sa/cart\tx",
      "spiffe://cluster.local/ns/" + std::string(64, 'n') + "/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/" + std::string(254, 's'),
      "spiffe://" + std::string(256, 't') + "/ns/shop/sa/cart",
      "spiffe://cluster.local/ns/shop/sa/" + std::string(3000, 's'),
  };
}

TEST(SpiffeId, RefusesEveryOtherSpelling) {
  for (const auto& text : malformed_ids()) {
    const auto id = SpiffeId::parse(text);
    ASSERT_FALSE(id) << text;
    EXPECT_EQ(id.error().reason, Reason::spiffe_id_malformed) << text;
  }
}

TEST(SpiffeId, SurvivesEverySingleByteChangeOnlyAsADifferentIdentity) {
  const std::string uri = "spiffe://cluster.local/ns/shop/sa/cart";
  const auto original = SpiffeId::parse(uri);
  ASSERT_TRUE(original);
  for (size_t at = 0; at < uri.size(); ++at)
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = uri;
      changed[at] = static_cast<char>(byte);
      const auto id = SpiffeId::parse(changed);
      if (!id) continue;
      EXPECT_EQ(id->to_string(), changed);
      EXPECT_EQ(*id == *original, changed == uri);
    }
}

}  // namespace
}  // namespace keelson::tls
