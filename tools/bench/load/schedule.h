// Schedule: when request k of an open loop is due: start + k / rate, whatever became of the
// requests before it. No request is ever skipped or put off, which is what keeps a server that
// stands still from hiding. Pure arithmetic on nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <cmath>
#include <cstdint>

namespace keelson::load {

inline constexpr double kNsPerSecond = 1e9;

class Schedule {
 public:
  Schedule(uint64_t start_ns, double rate) noexcept : start_ns_(start_ns), rate_(rate) {}

  uint64_t due_ns(uint64_t k) const noexcept {
    return start_ns_ + static_cast<uint64_t>(static_cast<double>(k) * (kNsPerSecond / rate_));
  }
  // How many requests are due before `now_ns`: the smallest k with due_ns(k) >= now_ns.
  uint64_t due_before(uint64_t now_ns) const noexcept {
    if (now_ns <= start_ns_) return 0;
    const double elapsed_s = static_cast<double>(now_ns - start_ns_) / kNsPerSecond;
    // The division rounds; due_ns() is the truth.
    auto k = static_cast<uint64_t>(std::ceil(elapsed_s * rate_));
    while (k > 0 && due_ns(k - 1) >= now_ns) k--;
    while (due_ns(k) < now_ns) k++;
    return k;
  }
  double rate() const noexcept { return rate_; }

 private:
  uint64_t start_ns_;
  double rate_;
};

}  // namespace keelson::load
