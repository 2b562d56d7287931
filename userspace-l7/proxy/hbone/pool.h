// Pool: one worker's HBONE client connections, by key. One new connection of a key at a time; who
// needs it waits in a bounded queue. Lets idle ones go, retires on demand. One thread.
// Does not make sockets, choose identities or endpoints: the Dialer does.
#pragma once

#include <compare>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/ip_address.h"
#include "proxy/hbone/client_connection.h"

namespace keelson::hbone {

// Nobody but `source_pod` ever shares a connection, and a pod IP that changes hands is another key.
struct PoolKey {
  uint64_t source_pod = 0;  // netns cookie
  Endpoint destination;     // <pod IP>:15008
  uint64_t source_identity = 0;
  uint64_t destination_identity = 0;
  friend auto operator<=>(const PoolKey&, const PoolKey&) = default;
};

// The seam through which connections come: sockets of the source pod, identities of the config.
class Dialer {
 public:
  class Attempt {
   public:
    virtual ~Attempt() = default;  // cancels: no call afterwards
  };
  // Called once, not before dial() has returned. Only queues work.
  using OnStream = std::function<void(Result<std::unique_ptr<io::ByteStream>>)>;
  // A TCP connection to key.destination from the source pod.
  virtual Result<std::unique_ptr<Attempt>> dial(const PoolKey& key, OnStream on_stream) = 0;

  struct Identity {
    std::shared_ptr<const tls::TlsContext> context;  // of key.source_identity
    std::vector<tls::SpiffeId> expected;             // key.destination_identity
    Account account;
  };
  // Asked once per connection, when TLS begins.
  virtual Result<Identity> identify(const PoolKey& key) = 0;

 protected:
  ~Dialer() = default;
};

struct PoolLimits {
  size_t waiters_max = kPoolWaitersMax;
  size_t connections_per_pod_max = kPoolConnectionsPerPodMax;
};

struct PoolCounts {
  size_t connections = 0;  // established or in handshake
  size_t dialing = 0;      // TCP connects under way
  size_t waiting = 0;      // requests that have no connection yet
  uint64_t opened = 0;     // connections established so far
  uint64_t failed = 0;     // connects and handshakes that failed
  uint64_t reused = 0;     // tunnels that found a connection at once
  uint64_t refused = 0;    // by a limit of this pool
};

class Pool final : private Runnable {
 public:
  // One open(); destroying it cancels, also from the callback or after it. May outlive the pool.
  class Pending {
   public:
    virtual ~Pending() = default;
  };
  using Predicate = std::function<bool(const PoolKey&)>;

  // Everything given outlives the pool. Tunnels may outlive it: they fail.
  Pool(const Environment& environment, Dialer& dialer, PoolLimits limits = {});
  ~Pool() override;

  // Error: hbone_queue_full, hbone_connection_limit, or the dialer's; else `on_tunnel` is called
  // once, from a turn of the scheduler, and must not destroy the pool.
  Result<std::unique_ptr<Pending>> open(const PoolKey& key, TunnelRequest request,
                                        OnTunnel on_tunnel);
  // Configuration or identity changed: these connections take no new tunnels, open ones finish.
  void retire(const Predicate& concerns);
  // The process is about to end: a connection ends in order as soon as it has no tunnel. Requests
  // are still served, by new ones. `on_empty`: each time that none is left, from a turn.
  void drain(std::function<void()> on_empty);
  // These end now: tunnels and waiters fail with `why`.
  void abort(const Predicate& concerns, Reason why);

  // No connection, no dial, nobody who waits.
  bool is_empty() const noexcept { return entries_.empty(); }
  PoolCounts counts() const noexcept;
  size_t connections_of(uint64_t source_pod) const noexcept;  // dials included

 private:
  struct Waiter;
  struct Entry;
  class PendingWaiter;
  using WaiterPtr = std::shared_ptr<Waiter>;

  size_t run(size_t budget_bytes) override;
  void take_arrival(Entry& entry);
  Result<void> begin_tls(Entry& entry, std::unique_ptr<io::ByteStream> lower);

  Entry& entry(const PoolKey& key);
  Result<void> place(Entry& entry, const WaiterPtr& waiter);
  bool assign(Entry& entry, const WaiterPtr& waiter);
  void assign_waiters(Entry& entry);
  Result<void> dial(Entry& entry);
  void take_answer(const WaiterPtr& waiter, Result<std::unique_ptr<Tunnel>> result);
  void fail_waiters(Entry& entry, const Error& why);
  void cancel(Waiter& waiter) noexcept;
  void take_finished(Entry& entry, ClientConnection& connection, const Error* why);
  void count_down(const PoolKey& key) noexcept;
  void tidy(const PoolKey& key);

  const Environment environment_;
  Dialer& dialer_;
  const PoolLimits limits_;
  std::map<PoolKey, std::unique_ptr<Entry>> entries_;
  std::map<uint64_t, size_t> connections_per_pod_;
  std::vector<PoolKey> arrivals_;                     // dials that ended since the last turn
  std::deque<std::pair<WaiterPtr, Error>> failures_;  // to be told in the next turn
  const std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
  std::function<void()> on_empty_;  // set: drained
  PoolCounts totals_;               // what only grows
};

}  // namespace keelson::hbone
