// ServingCertificate: the CA's own TLS certificate, signed by its root for its Service's names and
// made again when half of its life is over, when another root signs, or when the clock was set back
// before its making. The key never leaves the process. Loop's thread. Streams keep the context that
// they began with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ca/root_set.h"
#include "tls/tls_context.h"

namespace keelson::ca {

class ServingCertificate {
 public:
  static constexpr std::chrono::seconds kLifetime = std::chrono::hours(24);

  explicit ServingCertificate(std::vector<std::string> dns_names)
      : dns_names_(std::move(dns_names)) {}

  // For a new connection. `roots` null: what there is serves until its own end.
  // Error: ca_root_missing.
  Result<std::shared_ptr<const tls::TlsContext>> context(const RootSet* roots, WallTime now);
  WallTime ends() const noexcept { return context_ ? context_->not_after() : WallTime(); }

 private:
  bool is_stale(WallTime now) const noexcept;
  Result<void> make(const RootSet& roots, WallTime now);

  const std::vector<std::string> dns_names_;
  std::shared_ptr<const tls::TlsContext> context_;
  std::string root_;  // DER of the one that signed it
  WallTime made_at_;
};

}  // namespace keelson::ca
