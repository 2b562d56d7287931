#include "config/runtime_config.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace keelson::config {
namespace {

// The look-ups of decide_policy over the sets of one configuration.
class Tables {
 public:
  explicit Tables(const RuntimeConfig& config) : config_(config) {}

  bool has_set(uint64_t set) const { return find(set) != nullptr; }

  uint32_t identity_class(uint64_t set, uint64_t identity) const {
    const PolicySet& table = *find(set);
    const auto found = table.identities.find(identity);
    return found == table.identities.end() ? table.identity_class_default : found->second;
  }

  uint32_t address_class(uint64_t set, const IpAddress& address) const {
    for (const auto& [prefix, address_class] : find(set)->addresses)
      if (prefix.contains(address)) return address_class;
    return 0;
  }

  uint32_t port_class(uint64_t set, uint16_t port) const {
    const PolicySet& table = *find(set);
    const auto found = table.ports.find(port);
    return found == table.ports.end() ? 0 : found->second;
  }

  std::optional<ks_policy> row(uint64_t set, uint32_t identity, uint32_t address,
                               uint32_t port) const {
    const PolicySet& table = *find(set);
    const auto found = table.rows.find({identity, address, port});
    if (found == table.rows.end()) return std::nullopt;
    return found->second;
  }

 private:
  const PolicySet* find(uint64_t set) const {
    const auto found = config_.policy_sets.find(set);
    return found == config_.policy_sets.end() ? nullptr : found->second.get();
  }

  const RuntimeConfig& config_;
};

}  // namespace

bool LocalPod::owns(const IpAddress& address) const noexcept {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

size_t AddressHash::operator()(const IpAddress& address) const noexcept {
  std::string_view bytes(reinterpret_cast<const char*>(&address.raw()), sizeof address.raw());
  return std::hash<std::string_view>()(bytes);
}

Decision RuntimeConfig::decide(const PolicyQuestion& question) const {
  return decide_policy(Tables(*this), question);
}

std::string_view RuntimeConfig::policy_name(const std::array<uint64_t, 2>& sets,
                                            uint64_t policy) const {
  for (const uint64_t set : sets) {
    const auto table = policy_sets.find(set);
    if (table == policy_sets.end()) continue;
    const auto name = table->second->policy_names.find(policy);
    if (name != table->second->policy_names.end()) return name->second;
  }
  return {};
}

}  // namespace keelson::config
