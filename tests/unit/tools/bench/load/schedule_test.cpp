#include "load/schedule.h"

#include <gtest/gtest.h>

namespace keelson::load {
namespace {

constexpr uint64_t kStart = 123'456'789'012'345;
constexpr uint64_t kSecond = 1'000'000'000;

TEST(Schedule, RequestKIsDueAtStartPlusKOverRate) {
  const Schedule schedule(kStart, 500);
  EXPECT_EQ(schedule.due_ns(0), kStart);
  EXPECT_EQ(schedule.due_ns(1), kStart + 2'000'000);
  EXPECT_EQ(schedule.due_ns(500), kStart + kSecond);
}

TEST(Schedule, DoesNotDriftWithARateThatDividesNothing) {
  const Schedule schedule(kStart, 3);
  EXPECT_EQ(schedule.due_ns(3'000'000), kStart + 1'000'000 * kSecond);
  EXPECT_EQ(schedule.due_ns(1), kStart + 333'333'333);
}

TEST(Schedule, NothingIsDueBeforeTheStart) {
  const Schedule schedule(kStart, 1000);
  EXPECT_EQ(schedule.due_before(0), 0u);
  EXPECT_EQ(schedule.due_before(kStart), 0u);
  EXPECT_EQ(schedule.due_before(kStart + 1), 1u);
}

TEST(Schedule, ALateWakeUpFindsAllThatIsDue) {
  const Schedule schedule(kStart, 1000);
  EXPECT_EQ(schedule.due_before(kStart + kSecond), 1000u);
  EXPECT_EQ(schedule.due_before(kStart + kSecond + 1), 1001u);
}

TEST(Schedule, CountAndDueTimeAgreeAtEveryEdge) {
  for (const double rate : {0.3, 1.0, 3.0, 7.7, 999.0, 12'345.6, 1e6}) {
    const Schedule schedule(kStart, rate);
    for (uint64_t k = 0; k < 5000; k++) {
      const uint64_t due = schedule.due_ns(k);
      ASSERT_EQ(schedule.due_before(due), k) << rate;
      ASSERT_EQ(schedule.due_before(due + 1), k + 1) << rate;
    }
  }
}

}  // namespace
}  // namespace keelson::load
