// Stats: what one worker counted: an array by Reason, gauges and totals. Its worker writes, any
// thread reads a slightly old value without locks. sum() makes what the agent asks for.
// Serves nothing itself.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "base/reason.h"
#include "config/encode.h"

namespace keelson::proxy {

// Single writer: a load and a store are enough, and cost no bus lock.
class Counter {
 public:
  void add(uint64_t n = 1) noexcept { set(value() + n); }
  void subtract(uint64_t n = 1) noexcept { set(value() - n); }
  void set(uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// A Counter that may live in memory shown to the agent (link/live_gauge.h).
class LiveCounter {
 public:
  // Before anything is counted; `cell` outlives this.
  void show_in(std::atomic<uint64_t>& cell) noexcept { cell_ = &cell; }
  void add(uint64_t n = 1) noexcept { cell_->store(value() + n, std::memory_order_relaxed); }
  void subtract(uint64_t n = 1) noexcept { cell_->store(value() - n, std::memory_order_relaxed); }
  uint64_t value() const noexcept { return cell_->load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> own_{0};
  std::atomic<uint64_t>* cell_ = &own_;
};

class Stats {
 public:
  void count(Reason reason) noexcept { reasons_[static_cast<size_t>(reason)].add(); }
  uint64_t count_of(Reason reason) const noexcept {
    return reasons_[static_cast<size_t>(reason)].value();
  }

  LiveCounter connections_active;
  Counter connections_total;
  Counter tunnels_active;
  Counter handshakes_total;
  Counter bytes_sent_total;      // towards upstream
  Counter bytes_received_total;  // from upstream
  Counter requests_total;

 private:
  std::array<Counter, KS_REASONS_MAX> reasons_;
};

config::Stats sum(std::span<const Stats* const> workers);

}  // namespace keelson::proxy
