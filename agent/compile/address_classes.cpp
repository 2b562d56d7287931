#include "compile/address_classes.h"

namespace keelson::compile {
namespace {

IpPrefix all_v4() {
  return {IpAddress::parse("0.0.0.0").value(), 96};
}

}  // namespace

AddressClasses::AddressClasses(std::vector<const model::PolicySource*> sources)
    : sources_(std::move(sources)) {
  for (uint32_t i = 0; i < sources_.size(); i++) {
    base_.push_back(match_address(*sources_[i], {}));
    add_prefixes(i);
  }
  std::map<Changes, uint32_t> numbers{{Changes(), 0}};
  changes_.emplace_back();
  for (const auto& [region, unused] : memberships_) {
    Changes changes = changes_of(region);
    const auto [at, added] = numbers.emplace(changes, static_cast<uint32_t>(changes_.size()));
    if (added) changes_.push_back(std::move(changes));
    rows_.emplace_back(region, at->second);
  }
}

std::vector<Match> AddressClasses::signature(size_t number) const {
  std::vector<Match> all = base_;
  for (const auto& [source, match] : changes_[number]) all[source] = match;
  return all;
}

void AddressClasses::add_prefixes(uint32_t source) {
  const model::PolicySource& from = *sources_[source];
  for (const bool is_negative : {false, true})
    if (const auto& list = is_negative ? from.not_ip_blocks : from.ip_blocks; list)
      for (const IpPrefix& prefix : *list) add_prefix(prefix, {source, is_negative});
}

void AddressClasses::add_prefix(const IpPrefix& prefix, Membership membership) {
  const bool is_v4 = is_v4_prefix(prefix);
  memberships_[prefix].push_back(membership);
  lengths_[is_v4 ? 1 : 0].insert(prefix.length_bits);
  // Without a row of its own, IPv4 would get the class of ::/0 in the trie.
  if (!is_v4 && prefix.contains(all_v4().address)) memberships_[all_v4()];
}

AddressClasses::Changes AddressClasses::changes_of(const IpPrefix& region) const {
  std::map<uint32_t, AddressLists> touched;  // by source
  for (const uint8_t length : lengths_[is_v4_prefix(region) ? 1 : 0]) {
    if (length > region.length_bits) break;
    const auto found = memberships_.find(region.widened(length));
    if (found == memberships_.end()) continue;
    for (const Membership& membership : found->second) {
      AddressLists& lists = touched[membership.source];
      (membership.is_negative ? lists.in_not_ip_blocks : lists.in_ip_blocks) = true;
    }
  }
  Changes changes;
  for (const auto& [source, lists] : touched)
    if (const Match match = match_address(*sources_[source], lists); match != base_[source])
      changes.emplace_back(source, match);
  return changes;
}

}  // namespace keelson::compile
