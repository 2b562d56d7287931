// SpiffeId: the identity of a service account, spiffe://<trust domain>/ns/<namespace>/sa/<account>.
// Exactly one spelling is accepted, so that equal identities are equal bytes: an alias (case,
// percent-encoding, slash, port) would be a hole in every rule that names an identity.
// Pure, any thread. Does not decide whom to trust: see peer_identity.h and tls_context.h.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::tls {

struct SpiffeId {
  std::string trust_domain;
  std::string ns;
  std::string service_account;

  // Error: Reason::spiffe_id_malformed, with what is wrong.
  static Result<SpiffeId> parse(std::string_view uri);
  static Result<SpiffeId> make(std::string_view trust_domain, std::string_view ns,
                               std::string_view service_account);
  std::string to_string() const;
  friend auto operator<=>(const SpiffeId&, const SpiffeId&) = default;
};

// The SPIFFE ID specification, section 2.1: lower-case letters, digits, '.', '-', '_'; 1..255
// bytes.
bool is_trust_domain(std::string_view text) noexcept;

}  // namespace keelson::tls
