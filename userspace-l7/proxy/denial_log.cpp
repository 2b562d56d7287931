#include "proxy/denial_log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/limits.h"
#include "config/policy_decision.h"

namespace keelson::proxy {
namespace {

// What the other end refused it reports itself, with the policy (here: hbone_denied_by_peer).
bool is_denial(Reason reason) noexcept {
  return config::is_policy_denial(reason) || reason == Reason::connections_cut;
}

}  // namespace

void DenialLog::write(const AccessRecord& record) {
  log_->write(record);
  if (!is_denial(record.reason)) return;
  const std::lock_guard lock(mutex_);
  if (waiting_.denials.size() >= kDenialsWaitingMax) {
    waiting_.lost++;
    return;
  }
  waiting_.denials.push_back({record.time, record.reason, record.source, record.source_identity,
                              record.source_address, record.destination,
                              record.destination_identity, record.destination_address,
                              record.policy, record.service, record.http.has_value()});
}

config::Denials DenialLog::take() {
  const std::lock_guard lock(mutex_);
  config::Denials taken;
  taken.lost = std::exchange(waiting_.lost, 0);
  const auto count = std::min(waiting_.denials.size(), config::kDenialsPerReportMax);
  const auto first = waiting_.denials.begin();
  const auto last = first + static_cast<std::ptrdiff_t>(count);
  std::move(first, last, std::back_inserter(taken.denials));
  waiting_.denials.erase(first, last);
  return taken;
}

}  // namespace keelson::proxy
