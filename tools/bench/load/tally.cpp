#include "tally.h"

#include <chrono>

namespace keelson::load {

void Tally::on_answer(uint64_t age_ns, uint16_t status, bool is_in_time) noexcept {
  constexpr uint16_t kFirstBad = 400;
  requests++;
  latencies.record(age_ns);
  if (status < kStatuses) by_status[status]++;
  if (status < kFirstBad) ok++;
  if (is_in_time) answered_in_time++;
}

void Tally::on_lost(ErrorKind why, std::string_view text) {
  requests++;
  on_error(why, text);
}

void Tally::on_timeout(uint64_t age_ns) {
  latencies.record(age_ns);
  on_lost(ErrorKind::kTimeout);
}

void Tally::on_error(ErrorKind why, std::string_view text) {
  by_error[static_cast<size_t>(why)]++;
  if (first_errors.size() == kSamplesMax) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  first_errors.push_back({static_cast<uint64_t>(ms), why, std::string(text)});
}

}  // namespace keelson::load
