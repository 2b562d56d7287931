// Connection: one proxied connection or tunnel, whatever its direction: counted and charged to its
// tenant from birth, relayed once both ends are there, and logged with its reason at its end. The
// derived class gets it as far as the two ends. One thread: its worker's; only the scheduler runs
// it. Owned by a Registry, which destroys it when it has finished.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "io/event_loop.h"
#include "proxy/access_log.h"
#include "proxy/attestation.h"
#include "proxy/hbone/pool.h"
#include "proxy/pods_in_use.h"
#include "proxy/relay.h"
#include "proxy/route/backend_choice.h"
#include "proxy/scheduler.h"
#include "proxy/serving_config.h"
#include "proxy/socket_stock.h"
#include "proxy/stats.h"

namespace keelson::proxy {

class Connection;
class UpstreamPool;

class Registry {
 public:
  virtual void remove(Connection& connection) noexcept = 0;  // destroys it

 protected:
  ~Registry() = default;
};

// What a worker's connections use; all of it outlives them.
struct Services {
  io::EventLoop& loop;
  Scheduler& scheduler;
  BlockPool& blocks;
  hbone::Alarms& alarms;
  const Clock& clock;
  Stats& stats;
  AccessLog& log;
  SocketStock& sockets;
  hbone::Pool& tunnels;
  UpstreamPool& upstreams;
  PodsInUse& pods;
  Rng& rng;
  Registry& connections;
  // The current ones; null until the agent has sent the first.
  const ConfigLease& config;
  const std::shared_ptr<const SocketFacts>& facts;
};

class Connection : public hbone::Runnable {
 public:
  ~Connection() override;

  // Ends it in its next turn: both sides are reset, `why` is counted and logged.
  void cut(Reason why, std::string policy = {}) noexcept;
  // A new configuration is served: what is no longer allowed is cut.
  virtual void rejudge(const ServingConfig&) {}
  // The process is about to end: finish what is under way, begin nothing new.
  virtual void drain() {}
  // The drain's deadline is near: end where nobody waits for anything.
  virtual void last_call();

 protected:
  // Precondition: services.config is not null.
  Connection(const Services& services, Tenant& tenant, Path path);

  // In a turn, until start_relay() or finish(); woken by whatever it waits for. Returns how many
  // bytes it moved; may destroy this.
  virtual size_t advance(size_t budget_bytes) = 0;
  // Before the end of a connection that never came to relay: tells the side that waits.
  virtual void refuse(const Error& why) noexcept = 0;
  // It logs its requests; its end is not one.
  virtual bool logs_itself() const noexcept { return false; }

  void start_relay(std::unique_ptr<io::ByteStream> near, std::unique_ptr<io::ByteStream> far);
  // Each logs and destroys this: the last call in advance().
  void fail_with(const Error& why);
  void finish(Reason reason, std::string detail);
  // Counts and logs like finish(), but for one request of this connection, which goes on.
  void log(AccessRecord& record, MonotonicTime since);

  const Services& services() const noexcept { return services_; }
  const ServingConfig& config() const noexcept { return *config_; }
  Tenant& account() const noexcept { return tenant_; }
  AccessRecord& record() noexcept { return record_; }

 private:
  struct Cut {
    Reason reason;
    std::string policy;
  };
  size_t run(size_t budget_bytes) override;
  void on_relayed(Relay::Progress progress);
  void end_if_quiet();

  const Services& services_;
  Tenant& tenant_;
  const ConfigLease config_;  // it began with
  const MonotonicTime since_;
  AccessRecord record_;
  std::optional<Cut> cut_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<hbone::Alarm> starved_;
  bool is_last_call_ = false;
  bool has_looked_again_ = false;        // since bytes moved last
  std::unique_ptr<hbone::Alarm> quiet_;  // since the last call
};

// SO_KEEPALIVE with times that find a dead peer within a few minutes. Failures do not matter.
void keep_alive(int fd) noexcept;

}  // namespace keelson::proxy
