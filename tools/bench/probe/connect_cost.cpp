#include "connect_cost.h"

#include <fmt/format.h>

#include <algorithm>

#include "dial.h"

namespace keelson::probe {
namespace {

constexpr double kNsPerUs = 1000.0;

}  // namespace

int64_t ConnectCost::quantile(double part) const noexcept {
  if (connect_ns.empty()) return 0;
  const auto at = static_cast<size_t>(part * static_cast<double>(connect_ns.size()));
  return connect_ns[std::min(at, connect_ns.size() - 1)];
}

std::string ConnectCost::json() const {
  const auto each = static_cast<double>(std::max<size_t>(asked, 1)) * kNsPerUs;
  const auto us = [&](double part) { return static_cast<double>(quantile(part)) / kNsPerUs; };
  return fmt::format(R"({{"count":{},"failed":{},"errno":{},"cpu_us":{:.3f},"wall_us":{:.3f},)"
                     R"("connect_us":{{"p50":{:.3f},"p99":{:.3f},"max":{:.3f}}}}})",
                     asked, failed, first_error, static_cast<double>(cpu_ns) / each,
                     static_cast<double>(wall_ns) / each, us(0.5), us(0.99), us(1.0));
}

ConnectCost measure_connects(const Endpoint& to, size_t count) {
  ConnectCost cost;
  cost.asked = count;
  cost.connect_ns.reserve(count);
  const int64_t cpu_before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  const int64_t wall_before = clock_ns(CLOCK_MONOTONIC);
  for (size_t i = 0; i < count; ++i) {
    const Dialled dialled = dial(to);
    if (dialled.error == 0) {
      cost.connect_ns.push_back(dialled.ended_ns - dialled.began_ns);
    } else if (cost.failed++ == 0) {
      cost.first_error = dialled.error;
    }
  }
  cost.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
  cost.wall_ns = clock_ns(CLOCK_MONOTONIC) - wall_before;
  std::sort(cost.connect_ns.begin(), cost.connect_ns.end());
  return cost;
}

}  // namespace keelson::probe
