// TunnelDialer: how the HBONE pool of a worker comes by connections: a socket of the source pod
// from the stock, connected to the destination's 15008, and the identities of the current
// configuration. One thread: its worker's. Sets no time limit (the pool does), judges nothing.
#pragma once

#include "proxy/hbone/pool.h"
#include "proxy/scheduler.h"
#include "proxy/serving_config.h"
#include "proxy/socket_stock.h"
#include "proxy/stats.h"

namespace keelson::proxy {

class TunnelDialer final : public hbone::Dialer {
 public:
  struct Parts {
    io::EventLoop& loop;
    Scheduler& scheduler;
    SocketStock& sockets;
    Stats& stats;
    const ConfigLease& config;  // the current one
  };
  explicit TunnelDialer(const Parts& parts) : parts_(parts) {}

  Result<std::unique_ptr<Attempt>> dial(const hbone::PoolKey& key, OnStream on_stream) override;
  Result<Identity> identify(const hbone::PoolKey& key) override;

 private:
  const Parts parts_;
};

}  // namespace keelson::proxy
