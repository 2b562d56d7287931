// FakeClock: a Clock that stands still until a test moves it. Any thread that the test controls.
#pragma once

#include "base/clock.h"

namespace keelson::test {

class FakeClock final : public Clock {
 public:
  MonotonicTime now() const noexcept override { return now_; }
  WallTime wall_now() const noexcept override { return wall_; }

  void advance(std::chrono::nanoseconds by) {
    now_ += std::chrono::duration_cast<MonotonicTime::duration>(by);
    set_wall(wall_ + std::chrono::duration_cast<WallTime::duration>(by));
  }
  // Somebody sets the wall clock.
  void set_wall(WallTime wall) { wall_ = wall; }

 private:
  MonotonicTime now_ = MonotonicTime(std::chrono::hours(1));
  WallTime wall_ = WallTime(std::chrono::hours(24 * 365 * 50));
};

}  // namespace keelson::test
