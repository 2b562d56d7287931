// Issuing: which CA this agent asks: keelson-ca when an address is given, else the one in its own
// folder. Only wiring, for ProxySide. Agent loop only. Tells its owner of new roots, and of each
// answer, so that what became due by it is done at once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "identity/ca_issuer.h"
#include "identity/standalone_issuer.h"
#include "io/event_loop.h"
#include "io/timer.h"
#include "kube/token_file.h"

namespace keelson {

struct IssuingOptions {
  ca::AuthorityOptions standalone;
  std::string ca_address;  // of keelson-ca, HOST:PORT; empty: the standalone CA
  std::string ca_token_file;
  std::string trust_bundle_file;
};

class Issuing final : public identity::Issuer {
 public:
  struct Callbacks {
    std::function<void(const std::vector<std::string>&)> on_trust;  // DER roots
    std::function<void()> on_answered;
  };
  Issuing(io::EventLoop& loop, const Clock& clock, IssuingOptions options, Callbacks callbacks);

  // Reads the roots that there are. No error: keys that hold still has serve without a CA.
  void start();
  void issue(const tls::SpiffeId& id, Done done) override;
  // Null for the standalone CA.
  const identity::CaIssuer::Counts* counts() const noexcept {
    return ca_ ? &ca_->counts() : nullptr;
  }

 private:
  void look_at_bundle();

  const Callbacks callbacks_;
  std::unique_ptr<identity::StandaloneIssuer> standalone_;
  std::unique_ptr<kube::TokenFile> token_;
  std::unique_ptr<identity::CaIssuer> ca_;
  io::Timer bundle_timer_;
  std::string last_said_;
};

}  // namespace keelson
