#include "link/live_gauge.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "support/gauge_process.h"

namespace keelson::link {
namespace {

Fd copy_of(int fd) {
  return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

Fd memfd_of(off_t bytes, unsigned seals) {
  Fd made(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(made.get(), bytes), 0);
  EXPECT_EQ(::fcntl(made.get(), F_ADD_SEALS, seals), 0);
  return made;
}

TEST(LiveGauge, its_view_follows_every_cell) {
  const auto gauge = LiveGauge::make(3);
  ASSERT_TRUE(gauge);
  const auto view = LiveGaugeView::open(copy_of(gauge->fd()), 3);
  ASSERT_TRUE(view) << view.error().message();
  EXPECT_EQ(view->sum(), 0u);
  gauge->cell(0) = 2;
  gauge->cell(2) = 5;
  EXPECT_EQ(view->sum(), 7u);
}

TEST(LiveGauge, what_a_killed_process_carried_stays_and_its_end_is_seen) {
  test::GaugeProcess process({3, 4});
  const auto view = LiveGaugeView::open(std::move(process.memfd), 2);
  ASSERT_TRUE(view) << view.error().message();
  EXPECT_TRUE(view->is_owner_alive());
  process.kill();
  EXPECT_FALSE(view->is_owner_alive());
  EXPECT_EQ(view->sum(), 7u);
}

TEST(LiveGauge, what_could_be_cut_short_under_the_mapping_is_refused) {
  EXPECT_FALSE(LiveGaugeView::open(memfd_of(128, 0), 2)) << "not sealed";
  EXPECT_FALSE(LiveGaugeView::open(memfd_of(128, F_SEAL_GROW), 2)) << "may shrink";
  EXPECT_TRUE(LiveGaugeView::open(memfd_of(128, F_SEAL_SHRINK), 2));
  EXPECT_FALSE(LiveGaugeView::open(memfd_of(64, F_SEAL_SHRINK), 2)) << "too small";
  EXPECT_FALSE(LiveGaugeView::open(memfd_of(128, F_SEAL_SHRINK), 1)) << "too large";
  EXPECT_FALSE(LiveGaugeView::open(memfd_of(0, F_SEAL_SHRINK), 0)) << "no cell";
  EXPECT_FALSE(LiveGaugeView::open(Fd(::open("/dev/zero", O_RDWR | O_CLOEXEC)), 1));
  EXPECT_FALSE(LiveGauge::make(kGaugeCellsMax + 1));
}

TEST(LiveGauge, a_liar_does_not_ruin_the_sum) {
  const auto gauge = LiveGauge::make(1);
  gauge->cell(0) = ~uint64_t{0};
  const auto view = LiveGaugeView::open(copy_of(gauge->fd()), 1);
  EXPECT_EQ(view->sum(), 1'000'000u);
}

}  // namespace
}  // namespace keelson::link
