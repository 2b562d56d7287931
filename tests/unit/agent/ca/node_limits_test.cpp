#include "ca/node_limits.h"

#include <gtest/gtest.h>

namespace keelson::ca {
namespace {

using std::chrono::seconds;

const MonotonicTime kStart{std::chrono::hours(1)};

int taken(NodeLimits& limits, const std::string& node, MonotonicTime now, int wishes) {
  int count = 0;
  for (int i = 0; i < wishes; ++i) count += limits.take(node, now) ? 1 : 0;
  return count;
}

TEST(NodeLimits, ANodeGetsItsBurstAndThenItsRate) {
  NodeLimits limits({.burst = 10, .per_minute = 6});
  EXPECT_EQ(taken(limits, "n1", kStart, 100), 10);
  EXPECT_EQ(taken(limits, "n1", kStart + seconds(9), 100), 0);
  EXPECT_EQ(taken(limits, "n1", kStart + seconds(10), 100), 1);
  EXPECT_EQ(taken(limits, "n1", kStart + seconds(40), 100), 3);
  EXPECT_EQ(taken(limits, "n1", kStart + std::chrono::hours(1), 100), 10) << "never above burst";
}

TEST(NodeLimits, OneNodesWishesCostAnotherNothing) {
  NodeLimits limits({.burst = 10, .per_minute = 6});
  EXPECT_EQ(taken(limits, "n1", kStart, 1000), 10);
  EXPECT_EQ(taken(limits, "n2", kStart, 1000), 10);
}

TEST(NodeLimits, RemembersAtMostSoManyNodesAndForgetsThoseWithAFullBucket) {
  NodeLimits limits({.burst = 1, .per_minute = 60});
  for (size_t i = 0; i < NodeLimits::kNodesMax; ++i)
    ASSERT_TRUE(limits.take("n" + std::to_string(i), kStart));
  EXPECT_FALSE(limits.take("one-more", kStart)) << "an unbounded map is an attack";
  EXPECT_TRUE(limits.take("one-more", kStart + seconds(2)));
  EXPECT_LE(limits.nodes(), 2U);
}

}  // namespace
}  // namespace keelson::ca
