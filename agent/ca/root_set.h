// RootSet: all roots of a trust domain at one time: the one that signs, the one that will, those
// that did; and its form as named files, the keys of the Secret keelson-ca-root:
//   tls.crt tls.key    signs now           next.crt next.key   will sign
//   old.crt            signed before       rotation.json       {"announced_at":..,"switched_at":..}
// Times are seconds since 1970. Pure, one thread at a time. Who decides: root_rotation.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ca/root_rotation.h"
#include "ca/signing_pair.h"

namespace keelson::ca {

using RootFiles = std::map<std::string, tls::SecretBytes>;

struct RootSet {
  SigningPair signing;  // empty: there is no root yet
  SigningPair next;     // empty unless a rotation has begun
  std::vector<tls::CertPtr> old;
  std::optional<WallTime> announced_at;
  std::optional<WallTime> switched_at;

  bool has_root() const noexcept { return signing.key != nullptr; }
  // Every root that a peer must trust, the signing one first, none twice.
  std::vector<const X509*> trusted() const;
  std::string bundle_pem() const;

  // Shares the keys and certificates.
  RootSet share() const;
};

// Files that are missing are empty parts; a file of another name is ignored.
// Error: authority_state_invalid (also traces of roots without the signing one).
Result<RootSet> decode_roots(const RootFiles& files);
Result<RootFiles> encode_roots(const RootSet& roots);

// Takes `step` (of those that change the set) on a copy of `roots`.
struct RootRules {
  std::string trust_domain = "cluster.local";
  std::chrono::seconds lifetime = std::chrono::hours(24 * 3650);
  std::chrono::seconds clock_skew = std::chrono::minutes(5);
};
Result<RootSet> advance_roots(const RootSet& roots, RotationStep step, const RootRules& rules,
                              WallTime now);

}  // namespace keelson::ca
