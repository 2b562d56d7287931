// UpstreamPool: one worker's HTTP/1.1 connections to endpoints. Each is lent to one exchange at a
// time and kept for the next when nothing speaks against it. Nobody but the pod that a connection
// was made for ever uses it. One thread: its worker's. Chooses no endpoint, sends nothing again.
#pragma once

#include <compare>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "proxy/exchange/h1_stream.h"
#include "proxy/upstream/connector.h"

namespace keelson::proxy {

struct UpstreamKey {
  Target::Way way = Target::Way::kEgress;
  uint64_t source_pod = 0;  // netns cookie
  uint64_t source_identity = 0;
  Endpoint destination;
  uint64_t destination_identity = 0;
  uint64_t receiver_pod = 0;  // netns cookie, kLocal only
  friend auto operator<=>(const UpstreamKey&, const UpstreamKey&) = default;

  static UpstreamKey of(const Target& target) noexcept;
};

class UpstreamPool;

// Destroying it resets the connection, unless both sides had ended.
class UpstreamConnection {
 public:
  // For the pool.
  UpstreamConnection(UpstreamPool& pool, const UpstreamKey& key, Connector::Carried carried)
      : UpstreamConnection(pool, key, carried.bytes.get(), std::move(carried)) {}
  ~UpstreamConnection();
  UpstreamConnection(const UpstreamConnection&) = delete;
  UpstreamConnection& operator=(const UpstreamConnection&) = delete;

  const UpstreamKey& key() const noexcept { return key_; }

  const std::unique_ptr<H1ClientStream> stream;
  bool is_reused = false;

 private:
  friend class UpstreamPool;
  UpstreamConnection(UpstreamPool& pool, const UpstreamKey& key, io::ByteStream* bytes,
                     Connector::Carried&& carried);
  // No further request after this one: its way there is about to end, or has become another.
  bool is_retiring() const;

  UpstreamPool& pool_;
  const UpstreamKey key_;
  io::ByteStream* const bytes_;  // of `stream`; gone once that is cancelled
  const std::function<bool()> is_carrier_retiring_;
  std::list<UpstreamConnection*>::iterator registered_;
  MonotonicTime since_;  // given back, or our end sent
  bool is_lent_ = true;
  bool has_stirred_ = false;  // since then: it ended, or said something
  bool is_retired_ = false;
};

struct UpstreamCounts {
  size_t idle = 0;
  size_t lent = 0;
  size_t connecting = 0;
  uint64_t opened = 0;
  uint64_t failed = 0;
  uint64_t reused = 0;
};

class UpstreamPool final {
 public:
  // Destroying it cancels.
  class Pending {
   public:
    virtual ~Pending() = default;
  };
  using OnConnection = std::function<void(Result<std::unique_ptr<UpstreamConnection>>)>;
  using Predicate = std::function<bool(const UpstreamKey&)>;

  // Everything given outlives the pool, which outlives its connections and what is pending.
  UpstreamPool(Connector& connector, BlockPool& blocks, hbone::Alarms& alarms, const Clock& clock);
  ~UpstreamPool();

  // The one that was used last; null: none is kept. The kernel is asked whether an end or a word
  // that nobody asked for is there (a server's 408 when it gives up waiting): the loop may not have
  // told, and it must not become the answer to the next request.
  std::unique_ptr<UpstreamConnection> take_idle(const Target& target);
  // `on_connection` is called once, not before this has returned; it only queues work.
  Result<std::unique_ptr<Pending>> open(const Target& target, OnConnection on_connection);
  // Kept, or ended when another request may not follow. Where enough are kept, the oldest goes.
  void give_back(std::unique_ptr<UpstreamConnection> connection);
  // Idle ones of these end now, lent ones when they are given back.
  void retire(const Predicate& concerns);

  // The process is about to end: retires all, and what is opened from now on serves one request.
  // `on_empty`: each time that no connection is left.
  void drain(std::function<void()> on_empty);
  bool is_empty() const noexcept { return registered_.empty() && totals_.connecting == 0; }

  // Requests under way and connections being made, of this worker.
  size_t in_use(const Endpoint& endpoint) const noexcept;
  UpstreamCounts counts() const noexcept;

 private:
  friend class UpstreamConnection;
  class Opening;
  using Kept = std::list<std::unique_ptr<UpstreamConnection>>;  // the last used first
  // The last used at the back.
  using Shelf = std::vector<Kept::iterator>;
  struct EndpointHash {
    size_t operator()(const Endpoint& endpoint) const noexcept {
      return config::AddressHash()(endpoint.address) * 31 + endpoint.port;
    }
  };

  bool may_keep(const UpstreamConnection& connection) const;
  std::unique_ptr<UpstreamConnection> unshelve(Kept::iterator kept);
  void end(std::unique_ptr<UpstreamConnection> connection);
  void watch(UpstreamConnection& connection);
  void sweep();
  void count_up(const Endpoint& endpoint) { in_use_[endpoint]++; }
  void count_down(const Endpoint& endpoint) noexcept;

  Connector& connector_;
  BlockPool& blocks_;
  const Clock& clock_;
  const std::unique_ptr<hbone::Alarm> sweep_;
  std::unordered_map<Endpoint, size_t, EndpointHash> in_use_;
  std::list<UpstreamConnection*> registered_;  // all, wherever they are
  std::map<UpstreamKey, Shelf> shelves_;       // of idle_
  Kept idle_;
  Kept ending_;                     // our end is sent, the peer's is awaited
  std::function<void()> on_empty_;  // set: drained
  UpstreamCounts totals_;
};

}  // namespace keelson::proxy
