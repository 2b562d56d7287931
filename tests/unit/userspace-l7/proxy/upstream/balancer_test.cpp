#include "proxy/upstream/balancer.h"

#include <gtest/gtest.h>

#include <map>

#include "proxy/route/backend_choice.h"

namespace keelson::proxy {
namespace {

Endpoint pay(int last) {
  return {*IpAddress::parse("10.0.1." + std::to_string(last)), 8080};
}
config::EndpointSet endpoints(int count) {
  config::EndpointSet set;
  for (int i = 0; i < count; i++) set.endpoints.push_back(pay(i + 1));
  return set;
}
// Draws the endpoints of these indices, out of `count`.
uint64_t bits_for(uint64_t first, uint64_t second, uint64_t count) {
  const auto half = [count](uint64_t index) { return ((index << 32) + (1u << 31)) / count; };
  return half(second) << 32 | half(first);
}
constexpr auto kNoLoad = [](const Endpoint&) -> size_t { return 0; };

TEST(Balancer, FindsNothingWhereThereIsNothing) {
  EXPECT_EQ(choose_endpoint(endpoints(0), 7, kNoLoad, nullptr), nullptr);
}

struct Case {
  const char* name;
  int count;
  uint64_t first, second;
  std::map<int, size_t> load;  // by last byte
  int avoid;                   // 0: none
  int expected;
};
class BalancerTable : public testing::TestWithParam<Case> {};

TEST_P(BalancerTable, Chooses) {
  const Case& c = GetParam();
  const config::EndpointSet set = endpoints(c.count);
  const auto load = [&c](const Endpoint& at) -> size_t {
    for (const auto& [last, requests] : c.load)
      if (pay(last) == at) return requests;
    return 0;
  };
  const Endpoint avoid = pay(c.avoid);
  const Endpoint* chosen =
      choose_endpoint(set, bits_for(c.first, c.second, static_cast<uint64_t>(c.count)), load,
                      c.avoid == 0 ? nullptr : &avoid);
  ASSERT_NE(chosen, nullptr);
  EXPECT_EQ(chosen->to_string(), pay(c.expected).to_string());
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BalancerTable,
    testing::Values(Case{"TheOnlyOne", 1, 0, 0, {{1, 9}}, 0, 1},
                    Case{"TheOnlyOneThoughItFailed", 1, 0, 0, {}, 1, 1},
                    Case{"TheFirstOfTwoEquals", 4, 2, 0, {}, 0, 3},
                    Case{"TheLessLoaded", 4, 2, 0, {{3, 2}, {1, 1}}, 0, 1},
                    Case{"OfTheTwoDrawnOnly", 4, 2, 0, {{3, 2}, {1, 3}}, 0, 3},
                    Case{"ANeighbourWhenOneIsDrawnTwice", 4, 3, 3, {{4, 1}}, 0, 1},
                    Case{"NotTheFirstThatFailed", 4, 2, 0, {{1, 9}}, 3, 1},
                    Case{"NotTheSecondThatFailed", 4, 2, 0, {{3, 9}}, 1, 3},
                    Case{"AnotherWhenTheFailedOneIsDrawnTwice", 2, 1, 1, {{1, 9}}, 2, 1}),
    [](const auto& test) { return test.param.name; });

TEST(Balancer, SpreadsEvenlyWithoutLoad) {
  const config::EndpointSet set = endpoints(3);
  std::map<Endpoint, int> chosen;
  Rng rng(1);
  for (int i = 0; i < 30000; i++) chosen[*choose_endpoint(set, rng.next(), kNoLoad, nullptr)]++;
  for (const Endpoint& at : set.endpoints) EXPECT_NEAR(chosen[at], 10000, 500);
}

TEST(Balancer, NeverOverfillsAnEndpoint) {
  const config::EndpointSet set = endpoints(10);
  std::map<Endpoint, size_t> load;
  Rng rng(1);
  for (int i = 0; i < 1000; i++)
    load[*choose_endpoint(
        set, rng.next(), [&](const Endpoint& at) { return load[at]; }, nullptr)]++;
  for (const auto& [at, requests] : load) EXPECT_LE(requests, 105u) << at.to_string();
}

}  // namespace
}  // namespace keelson::proxy
