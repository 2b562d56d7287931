#include "identity/standalone_issuer.h"

namespace keelson::identity {

Result<void> StandaloneIssuer::open() {
  if (authority_) return {};
  KS_ASSIGN(authority_, ca::Authority::open(options_, clock_));
  return {};
}

void StandaloneIssuer::issue(const tls::SpiffeId& id, Done done) {
  if (auto opened = open(); !opened) return done(Failure(std::move(opened).error()));
  LocalIssuer(*authority_).issue(id, std::move(done));
}

Result<std::vector<std::string>> StandaloneIssuer::trust() {
  KS_TRY(open());
  return authority_->trust_bundle();
}

}  // namespace keelson::identity
