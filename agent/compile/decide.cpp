#include "compile/decide.h"

#include <optional>

namespace keelson::compile {
namespace {

template <class Value, class Key>
std::optional<Value> find_row(const Rows& rows, MapId map, const Key& key) {
  const auto found = rows.find(RowKey{map, bytes_of(key)});
  if (found == rows.end()) return std::nullopt;
  return value_of<Value>(found->second);
}

uint32_t identity_class(const Rows& rows, uint64_t set, const ks_set& head, uint64_t identity) {
  if (identity == 0) return KS_CLASS_NO_IDENTITY;
  return find_row<uint32_t>(rows, MapId::kClassId, ks_class_id_key{set, identity})
      .value_or(head.identity_class_default);
}

// The longest prefix wins, as in the kernel's LPM trie.
uint32_t address_class(const Rows& rows, uint64_t set, const IpAddress& source) {
  const ks_class_addr_key wanted{0, static_cast<uint32_t>(set >> 32), static_cast<uint32_t>(set),
                                 source.raw()};
  for (int bits = 128; bits >= 0; bits--) {
    ks_class_addr_key key = wanted;
    key.prefix_bits = 64 + static_cast<uint32_t>(bits);
    auto* bytes = reinterpret_cast<unsigned char*>(&key.addr);
    for (int bit = bits; bit < 128; bit++)
      bytes[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
    if (auto found = find_row<uint32_t>(rows, MapId::kClassAddr, key)) return *found;
  }
  return 0;
}

Decision decide_set(const Rows& rows, uint64_t set, const PolicyQuestion& question) {
  const auto head = find_row<ks_set>(rows, MapId::kSet, set);
  if (!head) return {KS_DENY, Reason::policy_missing, 0};

  ks_policy_key key{set, 0, 0, 0};
  if ((head->flags & KS_SET_ADDRESSES) != 0)
    key.address_class = static_cast<uint16_t>(address_class(rows, set, question.source));
  if ((head->flags & KS_SET_PORTS) != 0)
    key.port_class = static_cast<uint16_t>(
        find_row<uint32_t>(rows, MapId::kClassPort,
                           ks_class_port_key{set, question.destination_port, 0, 0})
            .value_or(0));

  key.identity_class = identity_class(rows, set, *head, question.proven_identity);
  const auto proven = find_row<ks_policy>(rows, MapId::kPolicy, key);
  if (!proven) return {KS_DENY, Reason::policy_missing, 0};
  if (proven->verdict != KS_ALLOW)
    return {KS_DENY, proven->deny_matched != 0 ? Reason::policy_denied : Reason::not_allowed,
            proven->policy};

  if (question.claimed_identity != 0 && question.claimed_identity != question.proven_identity) {
    key.identity_class = identity_class(rows, set, *head, question.claimed_identity);
    const auto claimed = find_row<ks_policy>(rows, MapId::kPolicy, key);
    if (!claimed) return {KS_DENY, Reason::policy_missing, 0};
    if (claimed->deny_matched != 0) return {KS_DENY, Reason::claimed_denied, claimed->policy};
  }
  return {KS_ALLOW, Reason::none, proven->policy};
}

}  // namespace

Decision decide(const Rows& rows, const PolicyQuestion& question) {
  Decision allowed{KS_ALLOW, Reason::none, 0};
  for (const uint64_t set : question.policy_set) {
    if (set == 0) continue;
    const Decision decision = decide_set(rows, set, question);
    if (decision.verdict != KS_ALLOW) return decision;
    allowed = decision;
  }
  return allowed;
}

}  // namespace keelson::compile
