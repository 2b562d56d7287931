// LocalIssuer: an Issuer over a ca::Authority in this process: standalone nodes and the lab.
// One thread, the Authority's; answers at once. Still goes through a certificate request, so that
// the CA's checks are the same for everybody.
#pragma once

#include "ca/authority.h"
#include "identity/issuer.h"

namespace keelson::identity {

class LocalIssuer final : public Issuer {
 public:
  // `authority` outlives the issuer.
  explicit LocalIssuer(ca::Authority& authority) noexcept : authority_(authority) {}
  void issue(const tls::SpiffeId& id, Done done) override;

 private:
  Result<tls::KeyMaterial> issue_now(const tls::SpiffeId& id);
  ca::Authority& authority_;
};

}  // namespace keelson::identity
