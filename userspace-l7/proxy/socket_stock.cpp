#include "proxy/socket_stock.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "link/hold_messages.h"

namespace keelson::proxy {

class SocketStock::Place final : public Ticket {
 public:
  Place(Shelf& shelf, OnSocket on_socket) : shelf_(&shelf), on_socket_(std::move(on_socket)) {}
  ~Place() override;
  void serve(Result<Fd> socket) {
    shelf_ = nullptr;
    const OnSocket call = std::move(on_socket_);
    call(std::move(socket));  // may destroy this
  }

 private:
  Shelf* shelf_;  // null: served
  OnSocket on_socket_;
};

struct SocketStock::Shelf {
  SocketKind kind;
  uint64_t serial = 0;  // tells this shelf's answers from those of an earlier pod of that uid
  std::vector<Fd> sockets;
  std::deque<Place*> places;
  std::unique_ptr<hbone::Alarm> patience;
  std::unique_ptr<hbone::Alarm> retry;
  bool is_fetching = false;
  bool has_fetched = false;
};

SocketStock::Place::~Place() {
  if (shelf_ == nullptr) return;
  auto& places = shelf_->places;
  places.erase(std::find(places.begin(), places.end(), this));
}

SocketStock::SocketStock(SocketSource& source, hbone::Alarms& alarms)
    : source_(source), alarms_(alarms), self_(std::make_shared<SocketStock*>(this)) {}

SocketStock::~SocketStock() {
  *self_ = nullptr;
  // A copy: close_pod() erases what the name belongs to.
  while (!shelves_.empty()) close_pod(std::string(shelves_.begin()->first.pod));
}

void SocketStock::open_pod(const config::LocalPod& pod) {
  for (const IpAddress& address : pod.addresses)
    for (const ks_role role : {KS_ROLE_DIAL_DELIVER, KS_ROLE_DIAL_HBONE})
      refill(shelf({pod.uid, address.family(), role}));
}

void SocketStock::close_pod(const std::string& uid) {
  for (auto at = shelves_.begin(); at != shelves_.end();) {
    if (at->first.pod != uid) {
      ++at;
      continue;
    }
    const std::unique_ptr<Shelf> closed = std::move(at->second);
    at = shelves_.erase(at);
    while (!closed->places.empty())
      serve(*closed, fail(Reason::pod_unknown, ErrorSource::kInternal, "pod " + uid + " is gone"));
  }
}

SocketStock::Shelf& SocketStock::shelf(const SocketKind& kind) {
  auto& slot = shelves_[kind];
  if (slot) return *slot;
  slot = std::make_unique<Shelf>();
  slot->kind = kind;
  slot->serial = ++serials_;
  Shelf* const made = slot.get();
  slot->patience = alarms_.make([this, made] { on_patience_ended(*made); });
  slot->retry = alarms_.make([this, made] {
    made->is_fetching = false;
    if (!made->places.empty()) refill(*made);
  });
  return *slot;
}

Fd SocketStock::take(const SocketKind& kind) {
  Shelf& from = shelf(kind);
  Fd socket;
  if (!from.sockets.empty()) {
    socket = std::move(from.sockets.back());
    from.sockets.pop_back();
  }
  if (from.sockets.size() < kSocketStockLow) refill(from);
  return socket;
}

Fd SocketStock::take_any(const std::string& pod, ks_family family) {
  for (const auto& [kind, shelf] : shelves_) {
    if (kind.pod != pod || kind.family != family || shelf->sockets.empty()) continue;
    Fd socket = std::move(shelf->sockets.back());
    shelf->sockets.pop_back();
    return socket;
  }
  return {};
}

Result<std::unique_ptr<SocketStock::Ticket>> SocketStock::wait(const SocketKind& kind,
                                                               OnSocket on_socket) {
  Shelf& from = shelf(kind);
  if (from.places.size() >= kSocketWaitersMax)
    return fail(Reason::socket_pool_empty, ErrorSource::kInternal, "too many wait for a socket");
  auto place = std::make_unique<Place>(from, std::move(on_socket));
  from.places.push_back(place.get());
  if (!from.patience->is_running()) from.patience->start(kSocketWait);
  refill(from);
  return std::unique_ptr<Ticket>(std::move(place));
}

size_t SocketStock::idle(const SocketKind& kind) const {
  const auto found = shelves_.find(kind);
  return found == shelves_.end() ? 0 : found->second->sockets.size();
}

void SocketStock::refill(Shelf& to) {
  if (to.is_fetching) return;
  to.is_fetching = true;
  // A pod whose first sockets were used will use more.
  const uint32_t count = to.has_fetched ? link::kSocketsPerRequestMax : kSocketStockFirst;
  source_.fetch(to.kind, count,
                [self = self_, kind = to.kind, serial = to.serial](Result<std::vector<Fd>> got) {
                  if (*self != nullptr) (*self)->on_sockets(kind, serial, std::move(got));
                });
}

void SocketStock::on_sockets(const SocketKind& kind, uint64_t serial,
                             Result<std::vector<Fd>> sockets) {
  const auto found = shelves_.find(kind);
  if (found == shelves_.end() || found->second->serial != serial) return;
  Shelf& to = *found->second;
  if (!sockets) {
    // hold is away, or new and does not know the pod yet: who waits goes on waiting, as long as
    // anybody may, and hold is asked at intervals, not for each.
    to.retry->start(kSocketRetry);
    return;
  }
  to.retry->stop();
  to.is_fetching = false;
  to.has_fetched = true;
  for (Fd& socket : *sockets) to.sockets.push_back(std::move(socket));
  while (!to.places.empty() && !to.sockets.empty()) {
    Fd socket = std::move(to.sockets.back());
    to.sockets.pop_back();
    serve(to, std::move(socket));
  }
  if (to.places.empty())
    to.patience->stop();
  else if (!sockets->empty())
    to.patience->start(kSocketWait);  // a long queue that moves is no dry stock
  if (to.sockets.size() < kSocketStockLow && !sockets->empty()) refill(to);
}

void SocketStock::on_patience_ended(Shelf& of) {
  // The answer may be lost: another one is asked for by the next who comes.
  if (!of.retry->is_running()) of.is_fetching = false;
  // Those who came late wait less than their time: a dry stock stays dry together.
  for (size_t waiting = of.places.size(); waiting > 0 && !of.places.empty(); waiting--)
    serve(of, fail(Reason::socket_pool_empty, ErrorSource::kInternal, "no socket in time"));
}

void SocketStock::serve(Shelf& from, Result<Fd> socket) {
  Place* const first = from.places.front();
  from.places.pop_front();
  first->serve(std::move(socket));
}

}  // namespace keelson::proxy
