#include "ca/node_limits.h"

#include <algorithm>

namespace keelson::ca {

double NodeLimits::left_now(const Bucket& bucket, MonotonicTime now) const noexcept {
  const std::chrono::duration<double, std::ratio<60>> minutes = now - bucket.at;
  return std::min<double>(rate_.burst, bucket.left + minutes.count() * rate_.per_minute);
}

bool NodeLimits::take(const std::string& node, MonotonicTime now) {
  auto found = buckets_.find(node);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kNodesMax) forget_full(now);
    if (buckets_.size() >= kNodesMax) return false;
    found = buckets_.emplace(node, Bucket{static_cast<double>(rate_.burst), now}).first;
  }
  Bucket& bucket = found->second;
  bucket.left = left_now(bucket, now);
  bucket.at = now;
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

void NodeLimits::forget_full(MonotonicTime now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    return left_now(entry.second, now) >= static_cast<double>(rate_.burst);
  });
}

}  // namespace keelson::ca
