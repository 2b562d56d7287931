#include "proxy/upstream/pool.h"

#include <algorithm>

#include "base/limits.h"

namespace keelson::proxy {

UpstreamKey UpstreamKey::of(const Target& target) noexcept {
  return {target.way,
          target.source->netns_cookie,
          target.source->identity,
          target.destination,
          target.destination_identity,
          target.receiver ? target.receiver->netns_cookie : 0};
}

// ---- UpstreamConnection -----------------------------------------------------------------------

UpstreamConnection::UpstreamConnection(UpstreamPool& pool, const UpstreamKey& key,
                                       io::ByteStream* bytes, Connector::Carried&& carried)
    : stream(std::make_unique<H1ClientStream>(std::move(carried.bytes), pool.blocks_, nullptr)),
      pool_(pool),
      key_(key),
      bytes_(bytes),
      is_carrier_retiring_(std::move(carried.is_retiring)),
      registered_(pool.registered_.insert(pool.registered_.end(), this)) {
  pool_.count_up(key_.destination);
}

UpstreamConnection::~UpstreamConnection() {
  if (is_lent_) pool_.count_down(key_.destination);
  pool_.registered_.erase(registered_);
}

bool UpstreamConnection::is_retiring() const {
  return is_retired_ || (is_carrier_retiring_ && is_carrier_retiring_());
}

// ---- opening ----------------------------------------------------------------------------------

class UpstreamPool::Opening final : public Pending {
 public:
  Opening(UpstreamPool& pool, const Target& target, OnConnection on_connection)
      : pool_(pool), key_(UpstreamKey::of(target)), on_connection_(std::move(on_connection)) {
    pool_.count_up(key_.destination);
    pool_.totals_.connecting++;
  }
  ~Opening() override { finish(); }

  Result<void> start(const Target& target) {
    KS_ASSIGN(attempt_, pool_.connector_.connect(target, [this](Result<Connector::Carried> made) {
      take(std::move(made));
    }));
    return {};
  }

 private:
  void finish() noexcept {
    if (std::exchange(is_finished_, true)) return;
    pool_.count_down(key_.destination);
    pool_.totals_.connecting--;
  }
  void take(Result<Connector::Carried> made) {
    finish();
    if (!made) {
      pool_.totals_.failed++;
      return on_connection_(Failure(std::move(made).error()));
    }
    pool_.totals_.opened++;
    on_connection_(std::make_unique<UpstreamConnection>(pool_, key_, std::move(*made)));
  }

  UpstreamPool& pool_;
  const UpstreamKey key_;
  const OnConnection on_connection_;
  std::unique_ptr<Connector::Attempt> attempt_;
  bool is_finished_ = false;
};

UpstreamPool::UpstreamPool(Connector& connector, BlockPool& blocks, hbone::Alarms& alarms,
                           const Clock& clock)
    : connector_(connector),
      blocks_(blocks),
      clock_(clock),
      sweep_(alarms.make([this] { sweep(); })) {}

UpstreamPool::~UpstreamPool() = default;

Result<std::unique_ptr<UpstreamPool::Pending>> UpstreamPool::open(const Target& target,
                                                                  OnConnection on_connection) {
  auto opening = std::make_unique<Opening>(*this, target, std::move(on_connection));
  KS_TRY(opening->start(target));
  return std::unique_ptr<Pending>(std::move(opening));
}

// ---- keeping ----------------------------------------------------------------------------------

std::unique_ptr<UpstreamConnection> UpstreamPool::take_idle(const Target& target) {
  const UpstreamKey key = UpstreamKey::of(target);
  for (auto shelf = shelves_.find(key); shelf != shelves_.end(); shelf = shelves_.find(key)) {
    auto taken = unshelve(shelf->second.back());
    if (taken->has_stirred_ || !may_keep(*taken) || !taken->stream->is_surely_quiet()) {
      end(std::move(taken));
      continue;
    }
    taken->stream->set_wake(nullptr);
    taken->is_reused = taken->is_lent_ = true;
    count_up(key.destination);
    totals_.reused++;
    return taken;
  }
  return nullptr;
}

void UpstreamPool::give_back(std::unique_ptr<UpstreamConnection> connection) {
  H1ClientStream& stream = *connection->stream;
  stream.set_wake(nullptr);
  if (stream.is_cancelled()) return;
  if (!may_keep(*connection) || !stream.is_quiet()) {
    // All of the answer has arrived: no reason to alarm the other side by a reset.
    const bool is_complete = stream.codec().is_reusable() || stream.codec().is_closing();
    if (is_complete && stream.is_between_messages()) end(std::move(connection));
    return;
  }
  const UpstreamKey& key = connection->key_;
  if (const auto shelf = shelves_.find(key);
      shelf != shelves_.end() && shelf->second.size() >= kUpstreamIdlePerKeyMax)
    end(unshelve(shelf->second.front()));
  if (idle_.size() >= kUpstreamIdleMax) end(unshelve(std::prev(idle_.end())));
  watch(*connection);
  idle_.push_front(std::move(connection));
  shelves_[key].push_back(idle_.begin());
}

bool UpstreamPool::may_keep(const UpstreamConnection& connection) const {
  return connection.stream->codec().is_reusable() && !connection.is_retiring() && !on_empty_;
}

std::unique_ptr<UpstreamConnection> UpstreamPool::unshelve(Kept::iterator kept) {
  std::unique_ptr<UpstreamConnection> taken = std::move(*kept);
  const auto shelf = shelves_.find(taken->key_);
  std::erase(shelf->second, kept);
  if (shelf->second.empty()) shelves_.erase(shelf);
  idle_.erase(kept);
  return taken;
}

// By FIN or END_STREAM, and destroyed once the peer has ended too: a reset would look like trouble.
void UpstreamPool::end(std::unique_ptr<UpstreamConnection> connection) {
  if (ending_.size() >= kUpstreamIdleMax) return;
  const bool is_open = connection->stream->is_quiet();
  if (!connection->bytes_->shutdown_write() || !is_open) return;
  watch(*connection);
  ending_.push_front(std::move(connection));
}

void UpstreamPool::watch(UpstreamConnection& connection) {
  if (std::exchange(connection.is_lent_, false)) count_down(connection.key_.destination);
  connection.since_ = clock_.now();
  connection.has_stirred_ = false;
  connection.stream->set_wake([this, &connection] {
    connection.has_stirred_ = true;
    sweep_->start(std::chrono::milliseconds(0));  // a stream is not destroyed within its own call
  });
  if (!sweep_->is_running()) sweep_->start(kUpstreamSweepTime);
}

void UpstreamPool::retire(const Predicate& concerns) {
  for (UpstreamConnection* const connection : registered_)
    if (concerns(connection->key_)) connection->is_retired_ = true;
  for (auto at = idle_.begin(); at != idle_.end();) {
    const auto kept = at++;
    if ((*kept)->is_retired_) end(unshelve(kept));
  }
}

void UpstreamPool::drain(std::function<void()> on_empty) {
  on_empty_ = std::move(on_empty);
  retire([](const UpstreamKey&) { return true; });
}

void UpstreamPool::sweep() {
  const MonotonicTime now = clock_.now();
  std::erase_if(ending_, [now](const auto& connection) {
    const bool is_patient = now - connection->since_ < kUpstreamSweepTime;
    return !is_patient ||
           (std::exchange(connection->has_stirred_, false) && !connection->stream->is_quiet());
  });
  for (auto at = idle_.begin(); at != idle_.end();) {
    const auto kept = at++;
    const UpstreamConnection& connection = **kept;
    if (connection.has_stirred_ || connection.is_retiring() ||
        now - connection.since_ >= kUpstreamIdleTime)
      end(unshelve(kept));
  }
  if (!idle_.empty() || !ending_.empty()) sweep_->start(kUpstreamSweepTime);
  if (is_empty() && on_empty_) on_empty_();
}

// ---- counting ---------------------------------------------------------------------------------

size_t UpstreamPool::in_use(const Endpoint& endpoint) const noexcept {
  const auto found = in_use_.find(endpoint);
  return found == in_use_.end() ? 0 : found->second;
}

void UpstreamPool::count_down(const Endpoint& endpoint) noexcept {
  const auto found = in_use_.find(endpoint);
  if (found != in_use_.end() && --found->second == 0) in_use_.erase(found);
}

UpstreamCounts UpstreamPool::counts() const noexcept {
  UpstreamCounts counts = totals_;
  counts.idle = idle_.size();
  counts.lent = registered_.size() - idle_.size() - ending_.size();
  return counts;
}

}  // namespace keelson::proxy
