#include "compile/decide.h"

#include <optional>

namespace keelson::compile {
namespace {

// The look-ups of config::decide_policy.
class Tables {
 public:
  explicit Tables(const Rows& rows) : rows_(rows) {}

  bool has_set(uint64_t set) const { return head(set).has_value(); }

  uint32_t identity_class(uint64_t set, uint64_t identity) const {
    return find<uint32_t>(MapId::kClassId, ks_class_id_key{set, identity})
        .value_or(head(set)->identity_class_default);
  }

  // The longest prefix wins, as in the kernel's LPM trie.
  uint32_t address_class(uint64_t set, const IpAddress& address) const {
    if ((head(set)->flags & KS_SET_ADDRESSES) == 0) return 0;
    const ks_class_addr_key wanted{0, static_cast<uint32_t>(set >> 32), static_cast<uint32_t>(set),
                                   address.raw()};
    for (int bits = 128; bits >= 0; bits--) {
      ks_class_addr_key key = wanted;
      key.prefix_bits = 64 + static_cast<uint32_t>(bits);
      auto* bytes = reinterpret_cast<unsigned char*>(&key.addr);
      for (int bit = bits; bit < 128; bit++)
        bytes[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
      if (auto found = find<uint32_t>(MapId::kClassAddr, key)) return *found;
    }
    return 0;
  }

  uint32_t port_class(uint64_t set, uint16_t port) const {
    if ((head(set)->flags & KS_SET_PORTS) == 0) return 0;
    return find<uint32_t>(MapId::kClassPort, ks_class_port_key{set, port, 0, 0}).value_or(0);
  }

  std::optional<ks_policy> row(uint64_t set, uint32_t identity, uint32_t address,
                               uint32_t port) const {
    return find<ks_policy>(
        MapId::kPolicy,
        ks_policy_key{set, identity, static_cast<uint16_t>(address), static_cast<uint16_t>(port)});
  }

 private:
  template <class Value, class Key>
  std::optional<Value> find(MapId map, const Key& key) const {
    const auto found = rows_.find(RowKey{map, bytes_of(key)});
    if (found == rows_.end()) return std::nullopt;
    return value_of<Value>(found->second);
  }
  std::optional<ks_set> head(uint64_t set) const { return find<ks_set>(MapId::kSet, set); }

  const Rows& rows_;
};

}  // namespace

Decision decide(const Rows& rows, const PolicyQuestion& question) {
  return config::decide_policy(Tables(rows), question);
}

}  // namespace keelson::compile
