// How one AuthorizationPolicy rule part matches one peer, in three values, so that what cannot be
// known never opens anything: kMaybe counts as a match for DENY and as none for ALLOW.
// Pure, any thread. Istio security.istio.io/v1 semantics; where Istio lets a peer without identity
// pass a `not…` of an ALLOW rule, we do not.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/objects.h"

namespace keelson::compile {

enum class Match : uint8_t { kNo, kMaybe, kYes };

inline Match both(Match a, Match b) {
  return std::min(a, b);
}
inline Match either(Match a, Match b) {
  return std::max(a, b);
}
inline Match negate(Match match) {
  return static_cast<Match>(static_cast<int>(Match::kYes) - static_cast<int>(match));
}

// A peer as far as its identity goes.
struct Peer {
  enum class Kind : uint8_t {
    kNone,     // proves no identity
    kNamed,    // this one
    kUnknown,  // some identity that no pod of the snapshot has and no policy of the set spells out
  };
  Kind kind = Kind::kNone;
  std::string principal, ns, service_account;  // kNamed only
};

// "cluster.local/ns/shop/sa/web" -> kNamed; nothing when the text has another form.
std::optional<Peer> parse_principal(std::string_view principal);

// "*", "prefix*", "*suffix" or exact.
bool matches_pattern(std::string_view pattern, std::string_view text);

// The identity fields of `source`: principals, namespaces, serviceAccounts and their `not…`.
Match match_identity(const model::PolicySource& source, std::string_view policy_ns,
                     const Peer& peer);

// "web" in namespace shop and "shop/web" both give {"shop", "web"}.
std::pair<std::string_view, std::string_view> split_service_account(std::string_view text,
                                                                    std::string_view policy_ns);

// Prefixes of one family never match addresses of the other, though ::/0 holds ::ffff:0:0/96 as
// bytes.
bool is_v4_prefix(const IpPrefix& prefix);

// In which lists of a source an address lies.
struct AddressLists {
  bool in_ip_blocks = false;
  bool in_not_ip_blocks = false;
};
Match match_address(const model::PolicySource& source, const AddressLists& lists);

// `port` missing: a port that the set does not name.
Match match_port(const model::PolicyOperation& operation, std::optional<uint16_t> port);

}  // namespace keelson::compile
