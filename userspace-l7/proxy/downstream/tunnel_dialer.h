// TunnelDialer: how the HBONE pool of a worker comes by connections: a socket of the source pod
// from the stock, connected to the destination's 15008, and the identities of the current
// configuration. One thread: its worker's. Sets no time limit (the pool does), judges nothing.
#pragma once

#include "proxy/connection.h"

namespace keelson::proxy {

class TunnelDialer final : public hbone::Dialer {
 public:
  explicit TunnelDialer(const Services& services) : services_(services) {}

  Result<std::unique_ptr<Attempt>> dial(const hbone::PoolKey& key, OnStream on_stream) override;
  Result<Identity> identify(const hbone::PoolKey& key) override;

 private:
  // Which knows the pod: the current one, or the last one before it left. Null: none.
  ConfigLease config_of(uint64_t netns_cookie) const;

  const Services& services_;
};

}  // namespace keelson::proxy
