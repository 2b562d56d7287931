#include "proxy/route/backend_choice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

namespace keelson::proxy {
namespace {

using config::RouteBackend;
using config::RouteRule;

RouteRule rule_of(const std::vector<uint32_t>& weights) {
  RouteRule rule;
  for (const uint32_t weight : weights) {
    RouteBackend backend;
    backend.weight = weight;
    backend.name = "b" + std::to_string(rule.backends.size());
    rule.backends.push_back(backend);
  }
  return rule;
}

std::map<std::string, int> draw(const RouteRule& rule, int times, uint64_t seed) {
  Rng rng(seed);
  std::map<std::string, int> counts;
  for (int i = 0; i < times; i++) counts[choose_backend(rule, rng.next())->name]++;
  return counts;
}

TEST(BackendChoice, TenToNinetyHoldsWithinTwoPointsOverFiveThousand) {
  auto counts = draw(rule_of({10, 90}), 5000, 42);
  EXPECT_NEAR(counts["b0"], 500, 100);
  EXPECT_NEAR(counts["b1"], 4500, 100);
}

TEST(BackendChoice, AnInvalidBackendKeepsItsShare) {
  RouteRule rule = rule_of({1, 1, 2});
  rule.backends[1].is_valid = false;
  auto counts = draw(rule, 40000, 7);
  EXPECT_NEAR(counts["b0"], 10000, 500);
  EXPECT_NEAR(counts["b1"], 10000, 500);
  EXPECT_NEAR(counts["b2"], 20000, 500);
}

TEST(BackendChoice, WeightZeroGetsNothingWhereverItStands) {
  const RouteRule rule = rule_of({0, 5, 0, 5, 0});
  auto counts = draw(rule, 10000, 3);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_EQ(choose_backend(rule, 0)->name, "b1");
  EXPECT_EQ(choose_backend(rule, UINT64_MAX)->name, "b3");
}

TEST(BackendChoice, NoBackendOrOnlyWeightsOfZeroGiveNone) {
  EXPECT_EQ(choose_backend(rule_of({}), 1), nullptr);
  EXPECT_EQ(choose_backend(rule_of({0, 0}), 1), nullptr);
}

// A share of the 2^64 random numbers ends exactly where the weights say, to one number in 2^38.
TEST(BackendChoice, SharesAreExactAtTheLargestWeights) {
  RouteRule rule = rule_of(std::vector<uint32_t>(64, 1'000'000));
  rule.backends[0].weight = 1;
  const long double sum = 63'000'001;
  const auto edge = static_cast<uint64_t>(std::ceil(std::ldexp(1.0L, 64) / sum));
  EXPECT_EQ(choose_backend(rule, edge - 1)->name, "b0");
  EXPECT_EQ(choose_backend(rule, edge)->name, "b1");
  EXPECT_EQ(choose_backend(rule, UINT64_MAX)->name, "b63");
}

TEST(BackendChoice, WeightsBeyondTheApisLimitDoNotOverflow) {
  EXPECT_EQ(choose_backend(rule_of({UINT32_MAX, UINT32_MAX}), UINT64_MAX)->name, "b1");
  EXPECT_EQ(choose_backend(rule_of({UINT32_MAX, UINT32_MAX}), UINT64_MAX / 2 - 1)->name, "b0");
}

// The reference values of splitmix64 for the seed 1234567.
TEST(Rng, GivesTheReferenceSequence) {
  Rng rng(1234567);
  EXPECT_EQ(rng.next(), 6457827717110365317u);
  EXPECT_EQ(rng.next(), 3203168211198807973u);
  EXPECT_EQ(rng.next(), 9817491932198370423u);
}

}  // namespace
}  // namespace keelson::proxy
