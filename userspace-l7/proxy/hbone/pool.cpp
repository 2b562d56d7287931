#include "proxy/hbone/pool.h"

#include <algorithm>
#include <utility>

namespace keelson::hbone {

struct Pool::Waiter {
  const PoolKey key;
  const TunnelRequest request;
  OnTunnel on_tunnel;  // empty: told, or cancelled
  int retries_left = kPoolRetriesMax;
  ClientConnection* connection = nullptr;  // that answers it
  h2::StreamId stream = 0;
};

class Pool::PendingWaiter final : public Pending {
 public:
  PendingWaiter(Pool& pool, WaiterPtr waiter)
      : pool_(pool), is_pool_alive_(pool.is_alive_), waiter_(std::move(waiter)) {}
  ~PendingWaiter() override {
    if (*is_pool_alive_) pool_.cancel(*waiter_);
  }

 private:
  Pool& pool_;
  const std::shared_ptr<bool> is_pool_alive_;
  const WaiterPtr waiter_;
};

// All connections of one key. At most one of them is new: a dial, then a handshake.
struct Pool::Entry final : ClientConnection::Owner {
  Entry(Pool& owner, const PoolKey& its_key) : pool(owner), key(its_key) {}

  Pool& pool;
  const PoolKey key;
  std::deque<WaiterPtr> waiters;
  std::vector<std::unique_ptr<ClientConnection>> connections;
  std::unique_ptr<Dialer::Attempt> attempt;
  std::unique_ptr<Alarm> patience;
  std::optional<Result<std::unique_ptr<io::ByteStream>>> arrival;  // what the attempt gave
  ClientConnection* handshaking = nullptr;

  void arrive(Result<std::unique_ptr<io::ByteStream>> result) {
    arrival = std::move(result);
    pool.arrivals_.push_back(key);
    pool.wake();
  }
  void on_established(ClientConnection& connection) override {
    handshaking = nullptr;
    pool.totals_.opened++;
    pool.assign_waiters(*this);
    if (pool.on_empty_) connection.retire();
  }
  void on_room(ClientConnection&) override { pool.assign_waiters(*this); }
  void on_finished(ClientConnection& connection, const Error* why) override {
    pool.take_finished(*this, connection, why);
  }
};

Pool::Pool(const Environment& environment, Dialer& dialer, PoolLimits limits)
    : Runnable(environment.scheduler, Tenant{}),
      environment_(environment),
      dialer_(dialer),
      limits_(limits) {}

Pool::~Pool() {
  *is_alive_ = false;
}

// ---- opening ----------------------------------------------------------------------------------

Result<std::unique_ptr<Pool::Pending>> Pool::open(const PoolKey& key, TunnelRequest request,
                                                  OnTunnel on_tunnel) {
  auto waiter = std::make_shared<Waiter>(Waiter{key, std::move(request), std::move(on_tunnel)});
  const auto placed = place(entry(key), waiter);
  if (!placed) {
    tidy(key);
    return Failure(placed.error());
  }
  if (waiter->connection != nullptr) totals_.reused++;
  return std::make_unique<PendingWaiter>(*this, std::move(waiter));
}

Pool::Entry& Pool::entry(const PoolKey& key) {
  auto& found = entries_[key];
  if (!found) found = std::make_unique<Entry>(*this, key);
  return *found;
}

Result<void> Pool::place(Entry& entry, const WaiterPtr& waiter) {
  if (entry.waiters.empty() && assign(entry, waiter)) return {};
  if (entry.waiters.size() >= limits_.waiters_max) {
    totals_.refused++;
    return Failure(Error{Reason::hbone_queue_full, ErrorSource::kInternal, true, 0,
                         entry.key.destination.to_string()});
  }
  KS_TRY(dial(entry));
  entry.waiters.push_back(waiter);
  return {};
}

bool Pool::assign(Entry& entry, const WaiterPtr& waiter) {
  for (const auto& connection : entry.connections) {
    if (!connection->takes_tunnels()) continue;
    auto opened = connection->open(
        waiter->request, [this, waiter](auto result) { take_answer(waiter, std::move(result)); });
    if (!opened) continue;
    waiter->connection = connection.get();
    waiter->stream = *opened;
    return true;
  }
  return false;
}

void Pool::assign_waiters(Entry& entry) {
  while (!entry.waiters.empty() && assign(entry, entry.waiters.front())) entry.waiters.pop_front();
  if (entry.waiters.empty()) return;
  if (const auto dialed = dial(entry); !dialed) fail_waiters(entry, dialed.error());
}

// Single flight: no effect while there is a dial or a handshake already.
Result<void> Pool::dial(Entry& entry) {
  if (entry.attempt || entry.arrival || entry.handshaking != nullptr) return {};
  const size_t of_pod = connections_of(entry.key.source_pod);
  if (of_pod >= limits_.connections_per_pod_max) {
    totals_.refused++;
    return Failure(Error{Reason::hbone_connection_limit, ErrorSource::kInternal, true, 0,
                         std::to_string(of_pod) + " connections"});
  }
  KS_ASSIGN(entry.attempt,
            dialer_.dial(entry.key, [&entry](auto result) { entry.arrive(std::move(result)); }));
  connections_per_pod_[entry.key.source_pod]++;
  entry.patience = environment_.alarms.make([&entry] {
    if (!entry.arrival)
      entry.arrive(fail(Reason::hbone_handshake_timeout, ErrorSource::kUpstream,
                        "connect to " + entry.key.destination.to_string()));
  });
  entry.patience->start(kConnectPatience);
  return {};
}

// ---- a turn -----------------------------------------------------------------------------------

size_t Pool::run(size_t) {
  for (const PoolKey& key : std::exchange(arrivals_, {})) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) continue;
    if (found->second->arrival) take_arrival(*found->second);
    tidy(key);
  }
  for (size_t count = failures_.size(); count > 0; count--) {
    auto [waiter, why] = std::move(failures_.front());
    failures_.pop_front();
    if (waiter->on_tunnel) std::exchange(waiter->on_tunnel, {})(Failure(std::move(why)));
  }
  return 0;
}

void Pool::take_arrival(Entry& entry) {
  auto arrival = *std::exchange(entry.arrival, {});
  entry.attempt.reset();
  entry.patience.reset();
  Result<void> begun = arrival ? begin_tls(entry, std::move(*arrival))
                               : Result<void>(Failure(std::move(arrival).error()));
  if (begun) return;
  count_down(entry.key);
  totals_.failed++;
  fail_waiters(entry, begun.error());
}

Result<void> Pool::begin_tls(Entry& entry, std::unique_ptr<io::ByteStream> lower) {
  KS_ASSIGN(auto identity, dialer_.identify(entry.key));
  KS_ASSIGN(auto connection,
            ClientConnection::start(
                {environment_, std::move(identity.account), std::move(identity.context),
                 std::move(identity.expected), std::move(lower)},
                entry));
  entry.handshaking = connection.get();
  entry.connections.push_back(std::move(connection));
  return {};
}

// ---- answers and ends -------------------------------------------------------------------------

void Pool::take_answer(const WaiterPtr& waiter, Result<std::unique_ptr<Tunnel>> result) {
  waiter->connection = nullptr;
  // The peer has not processed it: another connection may.
  if (!result && result.error().reason == Reason::h2_streams_exhausted &&
      waiter->retries_left-- > 0) {
    const auto placed = place(entry(waiter->key), waiter);
    if (placed) return;
    result = Failure(placed.error());
  }
  if (waiter->on_tunnel) std::exchange(waiter->on_tunnel, {})(std::move(result));
}

void Pool::fail_waiters(Entry& entry, const Error& why) {
  for (WaiterPtr& waiter : std::exchange(entry.waiters, {}))
    failures_.emplace_back(std::move(waiter), why);
  wake();
}

void Pool::cancel(Waiter& waiter) noexcept {
  if (!std::exchange(waiter.on_tunnel, {})) return;
  if (waiter.connection != nullptr) {
    std::exchange(waiter.connection, nullptr)->cancel(waiter.stream);
    return;
  }
  const auto found = entries_.find(waiter.key);
  if (found == entries_.end()) return;
  std::erase_if(found->second->waiters, [&](const WaiterPtr& one) { return one.get() == &waiter; });
}

void Pool::take_finished(Entry& entry, ClientConnection& connection, const Error* why) {
  const PoolKey key = entry.key;
  if (&connection == entry.handshaking) {
    entry.handshaking = nullptr;
    totals_.failed++;
    const Error ended{Reason::hbone_session_ended, ErrorSource::kUpstream, false, 0, "handshake"};
    fail_waiters(entry, why != nullptr ? *why : ended);
  }
  count_down(key);
  std::erase_if(entry.connections, [&](const auto& one) { return one.get() == &connection; });
  assign_waiters(entry);
  tidy(key);
}

void Pool::retire(const Predicate& concerns) {
  for (const auto& [key, entry] : entries_)
    if (concerns(key))
      for (const auto& connection : entry->connections) connection->retire();
}

void Pool::drain(std::function<void()> on_empty) {
  on_empty_ = std::move(on_empty);
  retire([](const PoolKey&) { return true; });
}

void Pool::abort(const Predicate& concerns, Reason why) {
  for (const auto& [key, entry] : entries_) {
    if (!concerns(key)) continue;
    fail_waiters(*entry, Error{why, ErrorSource::kInternal, false, 0, "aborted"});
    for (const auto& connection : entry->connections) connection->abort(why);
    if (entry->attempt && !entry->arrival)
      entry->arrive(fail(why, ErrorSource::kInternal, "aborted"));
  }
}

void Pool::count_down(const PoolKey& key) noexcept {
  const auto found = connections_per_pod_.find(key.source_pod);
  if (--found->second == 0) connections_per_pod_.erase(found);
}

void Pool::tidy(const PoolKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  const Entry& entry = *found->second;
  if (entry.waiters.empty() && entry.connections.empty() && !entry.attempt && !entry.arrival)
    entries_.erase(found);
  if (entries_.empty() && on_empty_) on_empty_();
}

PoolCounts Pool::counts() const noexcept {
  PoolCounts counts = totals_;
  for (const auto& [key, entry] : entries_) {
    counts.connections += entry->connections.size();
    counts.dialing += entry->attempt ? 1 : 0;
    counts.waiting += entry->waiters.size();
  }
  return counts;
}

size_t Pool::connections_of(uint64_t source_pod) const noexcept {
  const auto found = connections_per_pod_.find(source_pod);
  return found == connections_per_pod_.end() ? 0 : found->second;
}

}  // namespace keelson::hbone
