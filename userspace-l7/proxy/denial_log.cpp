#include "proxy/denial_log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/limits.h"

namespace keelson::proxy {
namespace {

bool is_denial(const AccessRecord& record) noexcept {
  if (record.path == Path::kOutbound) return false;  // the other end reports it, with the policy
  switch (record.reason) {
    case Reason::policy_denied:
    case Reason::claimed_denied:
    case Reason::not_allowed:
    case Reason::policy_missing:
    case Reason::connections_cut:
      return true;
    default:
      return false;
  }
}

}  // namespace

void DenialLog::write(const AccessRecord& record) {
  log_->write(record);
  if (!is_denial(record)) return;
  const std::lock_guard lock(mutex_);
  if (waiting_.denials.size() >= kDenialsWaitingMax) {
    waiting_.lost++;
    return;
  }
  waiting_.denials.push_back(
      {record.time, record.reason, record.source, record.source_identity, record.source_address,
       record.destination, record.destination_identity, record.destination_address, record.policy});
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
