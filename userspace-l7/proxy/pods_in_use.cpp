#include "proxy/pods_in_use.h"

#include <algorithm>

namespace keelson::proxy {

std::unique_ptr<PodsInUse::Use> PodsInUse::add(const PodPtr& pod, const ConfigLease& config) {
  Entry& entry = entries_[pod->netns_cookie];
  if (entry.uses++ == 0) entry.known = {pod, config};
  return std::make_unique<Use>(*this, pod->netns_cookie);
}

void PodsInUse::on_config(const ConfigLease& now) {
  for (auto& [cookie, entry] : entries_) {
    auto pod = now->pod_by_cookie(cookie);
    entry.has_left = !pod && !now->pod(entry.known.pod->uid);
    if (pod) entry.known = {std::move(pod), now};
  }
}

const PodsInUse::Departed* PodsInUse::departed(uint64_t netns_cookie) const {
  const auto found = entries_.find(netns_cookie);
  return found != entries_.end() && found->second.has_left ? &found->second.known : nullptr;
}

bool PodsInUse::has_departed(std::string_view uid) const {
  return std::any_of(entries_.begin(), entries_.end(), [uid](const auto& entry) {
    return entry.second.has_left && entry.second.known.pod->uid == uid;
  });
}

void PodsInUse::remove(uint64_t netns_cookie) {
  const auto found = entries_.find(netns_cookie);
  if (--found->second.uses > 0) return;
  const Entry unused = std::move(found->second);
  entries_.erase(found);
  if (unused.has_left) on_unused_(*unused.known.pod);
}

}  // namespace keelson::proxy
