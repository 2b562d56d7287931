#include <gmock/gmock.h>

#include "model/decode.h"
#include "model/store.h"

namespace keelson::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string grant(const std::string& from, const std::string& to,
                  const std::string& version = "v1") {
  return "apiVersion: gateway.networking.k8s.io/" + version +
         "\nkind: ReferenceGrant\nmetadata: {name: g, namespace: bank}\nspec:\n  from: " + from +
         "\n  to: " + to + "\n";
}
const std::string kRoutesOfShop =
    "[{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]";
const std::string kServices = "[{group: \"\", kind: Service}]";

ReferenceGrant good(const std::string& text, std::vector<Finding>* findings = nullptr) {
  DecodedFile file = decode_file("t.yaml", text);
  if (findings != nullptr)
    *findings = file.findings;
  else
    EXPECT_THAT(file.findings, IsEmpty());
  if (file.objects.size() != 1 || !file.objects[0].object) {
    ADD_FAILURE() << text << (file.findings.empty() ? "" : file.findings[0].message);
    return {};
  }
  return *std::get<Shared<ReferenceGrant>>(*file.objects[0].object);
}

TEST(DecodeReferenceGrant, ReadsBothVersionsWithAndWithoutAName) {
  for (const char* version : {"v1", "v1beta1"}) {
    const auto all = good(grant(kRoutesOfShop, kServices, version));
    EXPECT_EQ(all.meta.key.to_string(), "ReferenceGrant bank/g");
    EXPECT_THAT(all.route_namespaces, ElementsAre("shop"));
    EXPECT_THAT(all.services, ElementsAre(""));
  }
  const auto one = good(grant(kRoutesOfShop, "[{group: '', kind: Service, name: pay}]"));
  EXPECT_THAT(one.services, ElementsAre("pay"));
}

TEST(DecodeReferenceGrant, WhatItGrantsToOrOfOtherKindsIsPassedOver) {
  const auto other =
      good(grant("[{group: gateway.networking.k8s.io, kind: Gateway, namespace: shop},"
                 " {group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: web}]",
                 "[{group: '', kind: Secret, name: key}, {group: '', kind: Service, name: pay}]"));
  EXPECT_THAT(other.route_namespaces, ElementsAre("web"));
  EXPECT_THAT(other.services, ElementsAre("pay"));
}

TEST(DecodeReferenceGrant, AKindOfAnotherGroupGrantsNothingAndIsPointedOut) {
  std::vector<Finding> findings;
  const auto from =
      good(grant("[{group: networking.k8s.io, kind: HTTPRoute, namespace: shop}]", kServices),
           &findings);
  EXPECT_THAT(from.route_namespaces, IsEmpty());
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(findings[0].message, HasSubstr("is not of group 'networking.k8s.io'"));
  EXPECT_EQ(findings[0].fix, "write group: gateway.networking.k8s.io");
  const auto to = good(grant(kRoutesOfShop, "[{group: core, kind: Service}]"), &findings);
  EXPECT_THAT(to.services, IsEmpty());
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].fix, "write group: \"\"");
}

TEST(DecodeReferenceGrant, WhatWouldGrantMoreThanWasMeantRefusesTheObject) {
  const std::string bad[] = {
      grant(kRoutesOfShop, "[{group: '', kind: Service, nmae: pay}]"),
      grant(kRoutesOfShop, "[{group: '', kind: Service, name: '*'}]"),
      grant(kRoutesOfShop, "[{group: '', kind: Service, name: ''}]"),
      grant(kRoutesOfShop, "[{group: '', name: pay}]"),
      grant(kRoutesOfShop, "[{kind: Service, name: pay}]"),
      grant(kRoutesOfShop, "[]"),
      grant("[]", kServices),
      grant("[{group: gateway.networking.k8s.io, kind: HTTPRoute}]", kServices),
      grant("[{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: '*'}]", kServices),
      grant(kRoutesOfShop, kServices) + "  except: []\n",
      "apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {name: g}\n",
  };
  for (const std::string& text : bad) {
    const DecodedFile file = decode_file("t.yaml", text);
    ASSERT_EQ(file.objects.size(), 1u) << text;
    EXPECT_FALSE(file.objects[0].object) << text;
    EXPECT_FALSE(file.findings.empty()) << text;
  }
}

TEST(DecodeReferenceGrant, ABadVersionKeepsTheLastGoodOneAndAFirstBadOneGrantsNothing) {
  Store store;
  store.apply(decode_file("a.yaml", grant(kRoutesOfShop, "[{group: '', kind: Service, nmae: a}]")));
  EXPECT_EQ(store.snapshot()->reference_grants.size(), 0u);
  store.apply(decode_file("a.yaml", grant(kRoutesOfShop, kServices)));
  EXPECT_EQ(store.snapshot()->reference_grants.size(), 1u);
  store.apply(decode_file("a.yaml", grant(kRoutesOfShop, "[{group: '', kind: Service, nmae: a}]")));
  ASSERT_EQ(store.snapshot()->reference_grants.size(), 1u);
  EXPECT_THAT(store.snapshot()->reference_grants.begin()->second->services, ElementsAre(""));
  EXPECT_EQ(store.last_good_copies().size(), 1u) << "after a restart the route still works";
  store.remove("a.yaml");
  EXPECT_EQ(store.snapshot()->reference_grants.size(), 0u);
}

}  // namespace
}  // namespace keelson::model
