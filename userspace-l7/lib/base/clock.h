// Clock: the seam through which time enters decisions, so that tests drive it.
// SystemClock is safe on any thread.
#pragma once

#include <chrono>

namespace keelson {

using MonotonicTime = std::chrono::steady_clock::time_point;  // CLOCK_MONOTONIC, as the kernel's ns
using WallTime = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime now() const noexcept = 0;
  virtual WallTime wall_now() const noexcept = 0;
};

class SystemClock final : public Clock {
 public:
  MonotonicTime now() const noexcept override { return std::chrono::steady_clock::now(); }
  WallTime wall_now() const noexcept override { return std::chrono::system_clock::now(); }
};

}  // namespace keelson
