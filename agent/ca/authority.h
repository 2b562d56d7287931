// Authority: the signing root of a trust domain, kept in one folder (0700, its files 0600, owned by
// this user; anything else is refused, not repaired: a key that others could read is not a key).
//   signing.pem  key and certificate that sign now        next.pem  key and certificate that will
//   old.pem      roots that signed before                  issued.log one line a leaf, append-only
// A rotation never surprises a peer: begin_rotation() puts the next root into the bundle; when
// every node has that bundle, finish_rotation() signs with it; drop_old_roots() when the last leaf
// is over. One thread. Does not decide who may ask for which identity: its caller proved that.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "ca/certificate_builder.h"
#include "ca/certificate_request.h"

namespace keelson::ca {

struct AuthorityOptions {
  std::string folder;
  std::string trust_domain;
  std::chrono::seconds leaf_lifetime = std::chrono::hours(24);
  std::chrono::seconds root_lifetime = std::chrono::hours(24 * 3650);
  std::chrono::seconds clock_skew = std::chrono::minutes(5);  // not_before lies this far back
};

struct IssuedCertificate {
  std::vector<std::string> chain;  // DER, leaf first, without the root
  std::vector<std::string> trust;  // DER roots, the signing one first
  WallTime not_before;
  WallTime not_after;
};

class Authority {
 public:
  // Loads the folder's state, or creates it when there is none. `clock` outlives the result.
  // Error: authority_state_unsafe, authority_state_invalid, io_error.
  static Result<std::unique_ptr<Authority>> open(AuthorityOptions options, const Clock& clock);

  // A leaf for `id` with the request's key. Logged before it is handed out; no log, no leaf.
  // Error: csr_identity_mismatch, trust_domain_mismatch, issuance_log_failed,
  // certificate_expired (the root itself).
  Result<IssuedCertificate> issue(const CertificateRequest& request, const tls::SpiffeId& id);

  std::vector<std::string> trust_bundle() const;  // DER, the signing root first
  std::string trust_bundle_pem() const;

  Result<void> begin_rotation();
  Result<void> finish_rotation();  // Error: not_found when none has begun
  Result<void> drop_old_roots();   // the caller waited for leaf_lifetime since finish_rotation()

 private:
  Authority(AuthorityOptions options, const Clock& clock) noexcept
      : options_(std::move(options)), clock_(clock) {}

  Result<void> load();
  Result<SigningPair> make_root() const;
  Result<void> append_log(const X509* leaf, const tls::SpiffeId& id,
                          const CertificateRequest& request);
  std::vector<const X509*> roots() const;

  AuthorityOptions options_;
  const Clock& clock_;
  Fd folder_;
  Fd log_;
  SigningPair signing_;
  SigningPair next_;  // empty unless a rotation has begun
  std::vector<tls::CertPtr> old_;
};

}  // namespace keelson::ca
