#include "io/timer.h"

#include <algorithm>

namespace keelson::io {
namespace {

using TimerHandle = Handle<uv_timer_t, std::function<void()>>;

void expired(uv_timer_t* timer) {
  if (auto* callback = TimerHandle::payload_of(timer)) (*callback)();
}

}  // namespace

Timer::Timer(EventLoop& loop, std::function<void()> on_expired) {
  const int status = handle_.open(std::move(on_expired), [&loop](uv_timer_t* timer) {
    return uv_timer_init(loop.raw(), timer);
  });
  KS_ASSERT(status == 0);
}

void Timer::start(std::chrono::milliseconds delay) noexcept {
  // The loop's cached time may be old after long work; counting from it would end too early.
  uv_update_time(handle_.get()->loop);
  uv_timer_start(handle_.get(), expired, static_cast<uint64_t>(delay.count()), 0);
}

void Timer::start_at(std::optional<MonotonicTime> due, MonotonicTime now) noexcept {
  using std::chrono::milliseconds;
  if (!due) return stop();
  start(std::max(std::chrono::ceil<milliseconds>(*due - now), milliseconds(1)));
}

void Timer::start_repeating(std::chrono::milliseconds interval) noexcept {
  KS_ASSERT(interval.count() > 0);
  const auto ms = static_cast<uint64_t>(interval.count());
  uv_update_time(handle_.get()->loop);
  uv_timer_start(handle_.get(), expired, ms, ms);
}

void Timer::stop() noexcept {
  uv_timer_stop(handle_.get());
}

bool Timer::is_active() const noexcept {
  return uv_is_active(reinterpret_cast<uv_handle_t*>(handle_.get())) != 0;
}

}  // namespace keelson::io
