#include "tally.h"

namespace keelson::load {

void Tally::on_answer(uint64_t age_ns, uint16_t status, bool is_in_time) noexcept {
  constexpr uint16_t kFirstBad = 400;
  requests++;
  latencies.record(age_ns);
  if (status < kStatuses) by_status[status]++;
  if (status < kFirstBad) ok++;
  if (is_in_time) answered_in_time++;
}

void Tally::on_lost(ErrorKind why) noexcept {
  requests++;
  on_error(why);
}

void Tally::on_timeout(uint64_t age_ns) noexcept {
  latencies.record(age_ns);
  on_lost(ErrorKind::kTimeout);
}

void Tally::on_error(ErrorKind why) noexcept {
  by_error[static_cast<size_t>(why)]++;
}

}  // namespace keelson::load
