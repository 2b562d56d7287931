// attestation: what the kernel vouches for about a connection, and the client address that the
// application should see. SocketFacts is the seam; KernelSocketFacts asks by bpf(2) with the
// connection's own descriptor as key (no privilege needed: read-only map). Any thread.
// Does not judge: is_captured_by() and is_from_outside() say only what a record means.
#pragma once

#include <memory>

#include "base/ip_address.h"
#include "base/result.h"
#include "config/builder.h"
#include "keelson_abi/abi.h"

namespace keelson::proxy {

class SocketFacts {
 public:
  virtual ~SocketFacts() = default;
  // Error: attestation_missing (also when no map has arrived yet): the caller must refuse.
  virtual Result<ks_attestation> attestation(int fd) const = 0;
  // Before each connect() of a `deliver` socket; connect() consumes it.
  virtual Result<void> write_note(int fd, const Endpoint& client) const = 0;
};

class KernelSocketFacts final : public SocketFacts {
 public:
  explicit KernelSocketFacts(std::shared_ptr<const config::ProxyMaps> maps)
      : maps_(std::move(maps)) {}
  Result<ks_attestation> attestation(int fd) const override;
  Result<void> write_note(int fd, const Endpoint& client) const override;

 private:
  const std::shared_ptr<const config::ProxyMaps> maps_;
};

// On the outbound listener of `pod`: dialled by its own application.
inline bool is_captured_by(const ks_attestation& record, uint64_t pod) noexcept {
  return record.kind == KS_KIND_CAPTURE && record.receiver_pod == pod && record.source_pod == pod;
}
// On the hbone listener of `pod`. Same-node HBONE is from outside too: certificates prove, not we.
inline bool is_from_outside(const ks_attestation& record, uint64_t pod) noexcept {
  return record.kind == KS_KIND_OUTSIDE && record.receiver_pod == pod;
}

}  // namespace keelson::proxy
