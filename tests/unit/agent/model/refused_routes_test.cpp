#include "model/refused_routes.h"

#include <gmock/gmock.h>

#include "model/store.h"

namespace keelson::model {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

std::string route(int generation, const std::string& field) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, "
         "namespace: "
         "shop, generation: " +
         std::to_string(generation) +
         "}\nspec: {parentRefs: [{group: '', kind: Service, name: pay}]" + field + "}\n";
}

TEST(RefusedRoutes, ABadVersionIsToldWithItsGenerationAndWhyUntilAGoodOneComes) {
  Store store;
  const auto refused = [&] { return store.refused_routes().all(); };
  store.apply(decode_file("r", route(1, ", rulez: []")));
  ASSERT_THAT(refused(), SizeIs(1));
  EXPECT_EQ(refused()[0].key.to_string(), "HTTPRoute shop/r");
  EXPECT_EQ(refused()[0].generation, 1);
  EXPECT_TRUE(store.snapshot()->http_routes.empty());

  EXPECT_TRUE(store.apply(decode_file("r", route(2, ""))));
  EXPECT_THAT(refused(), IsEmpty());
  EXPECT_EQ(store.snapshot()->http_routes.begin()->second->meta.generation, 2);

  EXPECT_FALSE(store.apply(decode_file("r", route(3, ", rulez: []")))) << "the last good serves";
  ASSERT_THAT(refused(), SizeIs(1));
  EXPECT_EQ(refused()[0].generation, 3);
  ASSERT_THAT(refused()[0].findings, SizeIs(1));
  EXPECT_EQ(refused()[0].findings[0].reason, Reason::unknown_field);

  store.remove("r");
  EXPECT_THAT(refused(), IsEmpty());
}

TEST(RefusedRoutes, OtherKindsAreNotTold) {
  Store store;
  store.apply(decode_file("p",
                          "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
                          "metadata: {name: p, namespace: shop}\nspec: {acton: DENY}\n"));
  EXPECT_THAT(store.refused_routes().all(), IsEmpty());
}

TEST(Generation, IsReadOfRoutesOnly) {
  Store store;
  store.apply(decode_file(
      "w", "apiVersion: v1\nkind: Pod\nmetadata: {name: w, namespace: shop, generation: 4}\n"));
  EXPECT_EQ(store.snapshot()->pods.begin()->second->meta.generation, 0);
}

}  // namespace
}  // namespace keelson::model
