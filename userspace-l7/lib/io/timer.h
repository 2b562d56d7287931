// Timer: calls back once after a delay, or repeatedly, on the loop's thread. Destroying it, also
// from its own callback, cancels it. Millisecond steps; never early.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "base/clock.h"
#include "io/event_loop.h"

namespace keelson::io {

class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> on_expired);

  // Starting a running timer moves its end. 0 ms: the next turn of the loop.
  void start(std::chrono::milliseconds delay) noexcept;
  // At `due`, where it is `now`; an earlier one is in a millisecond. Nothing: stops.
  void start_at(std::optional<MonotonicTime> due, MonotonicTime now) noexcept;
  void start_repeating(std::chrono::milliseconds interval) noexcept;  // interval > 0
  void stop() noexcept;
  bool is_active() const noexcept;

 private:
  Handle<uv_timer_t, std::function<void()>> handle_;
};

}  // namespace keelson::io
