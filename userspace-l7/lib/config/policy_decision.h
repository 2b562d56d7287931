// decide_policy: the verdict over the class tables of keelson_abi/abi.h, once for all of userspace:
// agent (over map rows) and proxy (over PolicyTable) supply the look-ups. The kernel's twin is
// bpf/lib/policy.h; tests hold the three against each other. Pure, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/ip_address.h"
#include "base/reason.h"

namespace keelson::config {

struct PolicyQuestion {
  std::array<uint64_t, 2> policy_set = {0, 0};  // each non-zero one must allow
  uint64_t proven_identity = 0;                 // attested or from a certificate; 0: none
  uint64_t claimed_identity = 0;                // of the source address; 0: none
  IpAddress source;                             // the direct peer
  uint16_t destination_port = 0;                // the workload's port
};

struct Decision {
  ks_verdict verdict = KS_DENY;
  // none when allowed, else one of is_policy_denial().
  Reason reason = Reason::none;
  uint64_t policy = 0;  // the policy that decided; 0: none
  friend bool operator==(const Decision&, const Decision&) = default;
};

// What a denying Decision may say.
constexpr bool is_policy_denial(Reason reason) noexcept {
  return reason == Reason::policy_denied || reason == Reason::claimed_denied ||
         reason == Reason::not_allowed || reason == Reason::policy_missing;
}

// Tables: has_set(set), address_class(set, address), port_class(set, port),
// identity_class(set, identity != 0), row(set, identity class, address class, port class) ->
// optional<ks_policy>.
template <class Tables>
Decision decide_set(const Tables& tables, uint64_t set, const PolicyQuestion& question) {
  if (!tables.has_set(set)) return {KS_DENY, Reason::policy_missing, 0};
  const uint32_t address = tables.address_class(set, question.source);
  const uint32_t port = tables.port_class(set, question.destination_port);
  const auto class_of = [&](uint64_t identity) -> uint32_t {
    return identity == 0 ? KS_CLASS_NO_IDENTITY : tables.identity_class(set, identity);
  };
  const auto proven = tables.row(set, class_of(question.proven_identity), address, port);
  if (!proven) return {KS_DENY, Reason::policy_missing, 0};
  if (proven->verdict != KS_ALLOW)
    return {KS_DENY, proven->deny_matched != 0 ? Reason::policy_denied : Reason::not_allowed,
            proven->policy};
  if (question.claimed_identity != 0 && question.claimed_identity != question.proven_identity) {
    const auto claimed = tables.row(set, class_of(question.claimed_identity), address, port);
    if (!claimed) return {KS_DENY, Reason::policy_missing, 0};
    if (claimed->deny_matched != 0) return {KS_DENY, Reason::claimed_denied, claimed->policy};
  }
  return {KS_ALLOW, Reason::none, proven->policy};
}

template <class Tables>
Decision decide_policy(const Tables& tables, const PolicyQuestion& question) {
  Decision allowed{KS_ALLOW, Reason::none, 0};
  for (const uint64_t set : question.policy_set) {
    if (set == 0) continue;
    const Decision decision = decide_set(tables, set, question);
    if (decision.verdict != KS_ALLOW) return decision;
    allowed = decision;
  }
  return allowed;
}

}  // namespace keelson::config
