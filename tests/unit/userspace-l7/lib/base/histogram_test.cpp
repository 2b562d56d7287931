#include "base/histogram.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

TEST(Histogram, PutsEveryValueIntoABucketWhoseBoundIsNear) {
  for (uint64_t value = 0; value < (uint64_t{1} << 47); value = value * 5 / 4 + 1) {
    const size_t bucket = Histogram::bucket_of(value);
    ASSERT_LT(bucket, Histogram::kBuckets);
    const uint64_t upper = Histogram::upper_bound(bucket);
    ASSERT_GE(upper, value);
    ASSERT_LE(upper - value, value / 8);
    if (bucket > 0) {
      ASSERT_LT(Histogram::upper_bound(bucket - 1), value);
    }
  }
}

TEST(Histogram, CountsHugeValuesInTheLastBucket) {
  Histogram histogram;
  histogram.record(UINT64_MAX);
  EXPECT_EQ(histogram.bucket_count(Histogram::kBuckets - 1), 1u);
}

TEST(Histogram, TellsQuantilesWithinAnEighth) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile(500), 0u);
  for (uint64_t i = 1; i <= 1000; i++) histogram.record(i);
  EXPECT_EQ(histogram.count(), 1000u);
  EXPECT_EQ(histogram.sum(), 500500u);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(500)), 500, 500 / 8.0);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(990)), 990, 990 / 8.0);
  EXPECT_EQ(histogram.quantile(0), 1u);
}

TEST(LogHistogram, KeepsThreeDigitsWithTenLinearBits) {
  using Fine = LogHistogram<10>;
  for (uint64_t value = 0; value < (uint64_t{1} << 47); value = value * 9 / 8 + 1) {
    const size_t bucket = Fine::bucket_of(value);
    ASSERT_LT(bucket, Fine::kBuckets);
    ASSERT_GE(Fine::upper_bound(bucket), value);
    ASSERT_LE(Fine::upper_bound(bucket) - value, value / 1000);
    if (bucket > 0) {
      ASSERT_LT(Fine::upper_bound(bucket - 1), value);
    }
  }
}

TEST(Histogram, SumsWorkers) {
  Histogram one;
  Histogram two;
  one.record(3);
  two.record(3);
  two.record(100);
  one.merge(two);
  EXPECT_EQ(one.count(), 3u);
  EXPECT_EQ(one.sum(), 106u);
  EXPECT_EQ(one.bucket_count(Histogram::bucket_of(3)), 2u);
}

}  // namespace
}  // namespace keelson
