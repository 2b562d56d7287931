#include "ca/node_limits.h"

#include <algorithm>

#include "base/assert.h"

namespace keelson::ca {

NodeLimits::NodeLimits(NodeRate rate) noexcept
    : interval_(MonotonicTime::duration(std::chrono::minutes(1)) / std::max(rate.per_minute, 1U)),
      depth_(interval_ * rate.burst) {
  KS_ASSERT(rate.burst > 0 && rate.per_minute > 0);
}

bool NodeLimits::take(const std::string& node, MonotonicTime now) {
  auto found = full_at_.find(node);
  if (found == full_at_.end()) {
    if (full_at_.size() >= kNodesMax)
      std::erase_if(full_at_, [now](const auto& entry) { return entry.second <= now; });
    if (full_at_.size() >= kNodesMax) return false;
    found = full_at_.emplace(node, now).first;
  }
  const MonotonicTime full_after = std::max(found->second, now) + interval_;
  if (full_after - now > depth_) return false;
  found->second = full_after;
  return true;
}

}  // namespace keelson::ca
