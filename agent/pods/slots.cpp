#include "pods/slots.h"

namespace keelson::pods {

void Slots::recover(const compile::Rows& rows) {
  for (const auto& [row, value] : rows) {
    if (row.map == compile::MapId::kPod) {
      const auto pod = compile::value_of<ks_pod>(value);
      if ((pod.flags & KS_POD_HOST) != 0) continue;  // the node itself has no slot
      const auto cookie = compile::value_of<uint64_t>(row.key);
      by_cookie_[cookie] = {pod.slot, pod.grace_until_ns, by_cookie_[cookie].host_ifindex, false};
      used_.insert(pod.slot);
    } else if (row.map == compile::MapId::kInterface) {
      const auto found = by_cookie_.find(compile::value_of<ks_interface>(value).pod);
      if (found != by_cookie_.end())  // rows are sorted by map: kPod came first
        found->second.host_ifindex = compile::value_of<uint32_t>(row.key);
    }
  }
}

std::optional<Slots::Place> Slots::take(uint64_t netns_cookie) {
  if (const auto known = find(netns_cookie)) return known;
  uint32_t slot = 0;
  while (used_.contains(slot)) ++slot;
  if (slot >= KS_PODS_MAX) return std::nullopt;
  used_.insert(slot);
  by_cookie_[netns_cookie] = {slot, 0, 0, false};
  return Place{slot, 0, 0, true};
}

void Slots::set(uint64_t netns_cookie, uint64_t grace_until_ns, uint32_t host_ifindex) {
  Place& place = by_cookie_.at(netns_cookie);
  place.grace_until_ns = grace_until_ns;
  place.host_ifindex = host_ifindex;
}

void Slots::free(uint64_t netns_cookie) {
  const auto found = by_cookie_.find(netns_cookie);
  if (found == by_cookie_.end()) return;
  used_.erase(found->second.slot);
  by_cookie_.erase(found);
}

std::optional<Slots::Place> Slots::find(uint64_t netns_cookie) const {
  const auto found = by_cookie_.find(netns_cookie);
  return found == by_cookie_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<uint64_t> Slots::cookies() const {
  std::vector<uint64_t> all;
  for (const auto& [cookie, place] : by_cookie_) all.push_back(cookie);
  return all;
}

}  // namespace keelson::pods
