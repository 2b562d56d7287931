// LogHistogram: log-linear counts of unsigned values (nanoseconds, bytes) in fixed memory: 2 to the
// power of kLinearBits buckets for each power of two. Histogram has 8 of them, so a bound is at
// most 12.5 % off, in 3 KiB; with 10 bits it is 0.1 % (three digits), in 312 KiB: keep it on the
// heap. One thread records; any thread reads a slightly old sum without locks. No floating point,
// no allocation, no quantile interpolation.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace keelson {

template <unsigned kLinearBits>
class LogHistogram {
 public:
  static constexpr unsigned kValueBits = 48;  // larger values count in the last bucket
  static constexpr size_t kBuckets = (kValueBits - kLinearBits + 1) << kLinearBits;

  static constexpr size_t bucket_of(uint64_t value) noexcept {
    if (value < (1u << kLinearBits)) return value;
    if (value >> kValueBits != 0) return kBuckets - 1;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kLinearBits;
    return ((shift + 1) << kLinearBits) + ((value >> shift) & ((1u << kLinearBits) - 1));
  }
  // The largest value that counts in `bucket`.
  static constexpr uint64_t upper_bound(size_t bucket) noexcept {
    if (bucket < (1u << kLinearBits)) return bucket;
    const unsigned shift = static_cast<unsigned>(bucket >> kLinearBits) - 1;
    const uint64_t linear = (1u << kLinearBits) + (bucket & ((1u << kLinearBits) - 1));
    return ((linear + 1) << shift) - 1;
  }

  void record(uint64_t value) noexcept {
    add(buckets_[bucket_of(value)], 1);
    add(count_, 1);
    add(sum_, value);
  }

  uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  uint64_t sum() const noexcept { return sum_.load(std::memory_order_relaxed); }
  uint64_t bucket_count(size_t bucket) const noexcept {
    return buckets_[bucket].load(std::memory_order_relaxed);
  }
  // Adds what `other` counted, e.g. to sum workers at scrape time.
  void merge(const LogHistogram& other) noexcept {
    for (size_t i = 0; i < kBuckets; i++) add(buckets_[i], other.bucket_count(i));
    add(count_, other.count());
    add(sum_, other.sum());
  }
  // Upper bound of the bucket that holds the value at `permille` (0..1000); 0 when empty.
  uint64_t quantile(unsigned permille) const noexcept {
    const uint64_t total = count();
    if (total == 0) return 0;
    const uint64_t rank = (total * permille + 999) / 1000;
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; i++) {
      seen += bucket_count(i);
      if (seen >= rank && seen > 0) return upper_bound(i);
    }
    return upper_bound(kBuckets - 1);
  }

 private:
  // Single writer: a load and a store are enough, and cost no bus lock.
  static void add(std::atomic<uint64_t>& to, uint64_t n) noexcept {
    to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> count_{0};
  std::atomic<uint64_t> sum_{0};
};

using Histogram = LogHistogram<3>;

}  // namespace keelson
