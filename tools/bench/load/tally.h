// Tally: what a run counted. Latencies go into histograms of three digits; nothing is sampled, and
// nothing is left out because it was slow. One thread; no allocation after construction but for the
// first few errors.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

struct ErrorSample {
  uint64_t unix_ms;  // when it was seen
  ErrorKind kind;
  std::string text;  // may be empty
};

class Tally {
 public:
  static constexpr size_t kSamplesMax = 8;

  // A request and its answer. `is_in_time`: it came before the measured window ended.
  void on_answer(uint64_t age_ns, uint16_t status, bool is_in_time) noexcept;
  // A request that will get no answer.
  void on_lost(ErrorKind why, std::string_view text = {});
  // A request still without answer after `age_ns`, which counts: it is at least that slow.
  void on_timeout(uint64_t age_ns);
  // An end of a connection that carried no request.
  void on_error(ErrorKind why, std::string_view text = {});
  void on_connected(uint64_t took_ns) noexcept { connects.record(took_ns); }
  void on_bytes(size_t count) noexcept { bytes_in += count; }

  static constexpr size_t kStatuses = 1000;

  uint64_t requests = 0;  // answered, lost and timed out
  uint64_t answered_in_time = 0;
  uint64_t ok = 0;       // status below 400
  uint64_t retried = 0;  // and then answered, lost or timed out
  uint64_t bytes_in = 0;
  std::array<uint64_t, kStatuses> by_status{};
  std::array<uint64_t, kErrorNames.size()> by_error{};
  std::vector<ErrorSample> first_errors;  // at most kSamplesMax
  Latencies latencies, connects;
};

}  // namespace keelson::load
