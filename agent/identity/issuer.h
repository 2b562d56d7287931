// Issuer: who turns a wish for an identity into a key and a certificate: the CA of this process
// (LocalIssuer), keelson-ca, or another CA. The seam that keeps IdentityStore free of I/O.
#pragma once

#include <functional>

#include "base/result.h"
#include "tls/key_material.h"

namespace keelson::identity {

class Issuer {
 public:
  using Done = std::function<void(Result<tls::KeyMaterial>)>;
  virtual ~Issuer() = default;
  // With a fresh key each time. Calls `done` once, on the caller's thread, at once or later.
  virtual void issue(const tls::SpiffeId& id, Done done) = 0;
};

}  // namespace keelson::identity
