// Tally: what a run counted. Latencies go into histograms of three digits; nothing is sampled, and
// nothing is left out because it was slow. One thread; no allocation after construction.
#pragma once

#include <array>
#include <cstdint>

#include "base/histogram.h"
#include "error_kind.h"

namespace keelson::load {

using LatencyHistogram = LogHistogram<10>;

// A histogram with its exact largest value.
struct Latencies {
  LatencyHistogram histogram;
  uint64_t max_ns = 0;

  void record(uint64_t ns) noexcept {
    histogram.record(ns);
    if (ns > max_ns) max_ns = ns;
  }
};

class Tally {
 public:
  // A request and its answer. `is_in_time`: it came before the measured window ended.
  void on_answer(uint64_t age_ns, uint16_t status, bool is_in_time) noexcept;
  // A request that will get no answer.
  void on_lost(ErrorKind why) noexcept;
  // A request still without answer after `age_ns`, which counts: it is at least that slow.
  void on_timeout(uint64_t age_ns) noexcept;
  // An end of a connection that carried no request.
  void on_error(ErrorKind why) noexcept;
  void on_connected(uint64_t took_ns) noexcept { connects.record(took_ns); }
  void on_bytes(size_t count) noexcept { bytes_in += count; }

  static constexpr size_t kStatuses = 1000;

  uint64_t requests = 0;  // answered, lost and timed out
  uint64_t answered_in_time = 0;
  uint64_t ok = 0;  // status below 400
  uint64_t bytes_in = 0;
  std::array<uint64_t, kStatuses> by_status{};
  std::array<uint64_t, kErrorNames.size()> by_error{};
  Latencies latencies, connects;
};

}  // namespace keelson::load
