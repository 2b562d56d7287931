// StandaloneIssuer: a LocalIssuer whose CA folder is opened at the first wish and tried again at
// each later one, so that a node whose keys survived in hold starts without its CA, and a broken CA
// is a finding instead of an agent that does not start. Agent loop only. Blocks it for as long as a
// key, a signature and an fsync of the issuance log take.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "identity/local_issuer.h"

namespace keelson::identity {

class StandaloneIssuer final : public Issuer {
 public:
  // `clock` outlives the issuer.
  StandaloneIssuer(ca::AuthorityOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  void issue(const tls::SpiffeId& id, Done done) override;
  // The current roots, DER; opens the folder. Error: of ca::Authority::open.
  Result<std::vector<std::string>> trust();

 private:
  Result<void> open();

  const ca::AuthorityOptions options_;
  const Clock& clock_;
  std::unique_ptr<ca::Authority> authority_;
};

}  // namespace keelson::identity
