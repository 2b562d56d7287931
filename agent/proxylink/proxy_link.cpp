#include "proxylink/proxy_link.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>

#include "link/seqpacket.h"
#include "proxylink/same_content.h"

namespace keelson::proxylink {
namespace {

constexpr mode_t kSocketMode = 0666;  // who may speak is decided by SO_PEERCRED
constexpr std::chrono::seconds kAcceptPause{1};
constexpr size_t kGenerationsKept = 64;
constexpr size_t kLostGaugesMax = 8;
constexpr std::chrono::milliseconds kLostGaugeInterval{200};

}  // namespace

ProxyLink::ProxyLink(io::EventLoop& loop, const Clock& clock, ProxyMapFds maps, Callbacks callbacks,
                     ProxyLinkOptions options)
    : loop_(loop),
      clock_(clock),
      maps_(std::move(maps)),
      callbacks_(std::move(callbacks)),
      options_(std::move(options)),
      settle_timer_(loop, [this] { settle(); }),
      accept_timer_(loop,
                    [this] {
                      if (listener_poll_) listener_poll_->watch({.readable = true});
                    }),
      gauge_timer_(loop, [this] { count_lost(); }) {}

ProxyLink::~ProxyLink() = default;

Result<void> ProxyLink::listen(const std::string& socket_path) {
  KS_ASSIGN(listener_, link::listen_seqpacket(socket_path, kSocketMode));
  KS_ASSIGN(io::Poll poll,
            io::Poll::open(loop_, listener_.get(), [this](io::Readiness) { accept_some(); }));
  poll.watch({.readable = true});
  listener_poll_.emplace(std::move(poll));
  return {};
}

void ProxyLink::shut() noexcept {
  settle_timer_.stop();
  accept_timer_.stop();
  gauge_timer_.stop();
  lost_gauges_.clear();
  listener_poll_.reset();
  listener_.reset();
  connections_.clear();
  ticket_ = 0;
  was_connected_ = false;
}

void ProxyLink::accept_some() {
  while (true) {
    auto socket = link::accept_seqpacket(listener_);
    if (!socket && socket.error().os_errno == EAGAIN) return;
    if (!socket) {
      // Most likely no descriptor is left: the listener would stay readable and spin the loop.
      spdlog::error("component=proxylink msg=\"{}\"", socket.error().message());
      listener_poll_->watch({});
      accept_timer_.start(kAcceptPause);
      return;
    }
    accept(std::move(*socket));
  }
}

void ProxyLink::accept(Fd socket) {
  const auto peer = link::peer_credentials(socket);
  if (!peer ||
      std::find(options_.uids.begin(), options_.uids.end(), peer->uid) == options_.uids.end()) {
    counts_.refused_total++;
    return note_refusal({Reason::caller_not_allowed, ErrorSource::kInternal, false, 0,
                         peer ? "user " + std::to_string(peer->uid) : peer.error().message()});
  }
  if (connections_.size() >= options_.connections_max) {
    counts_.refused_total++;
    return note_refusal({Reason::caller_not_allowed, ErrorSource::kInternal, true, 0,
                         "too many proxies are connected"});
  }
  auto connection = ProxyConnection::open(
      {loop_, clock_, options_.patience, [this] { change_soon(); }}, std::move(socket));
  if (!connection) return note_refusal(connection.error());
  connections_.push_back(std::move(*connection));
}

void ProxyLink::note_refusal(const Error& error) {
  spdlog::warn("component=proxylink reason={} msg=\"proxy refused: {}\"", reason_name(error.reason),
               error.message());
  last_refusal_ = error;
}

void ProxyLink::set_config(std::shared_ptr<const config::RuntimeConfig> config) {
  const bool is_same = config_ && same_content(*config_, *config);
  config_ = std::move(config);
  if (is_same) return;
  update_.reset();
  change_soon();
}

void ProxyLink::set_key(uint64_t identity, std::shared_ptr<const Fd> sealed) {
  if (!sealed && !keys_.contains(identity)) return;
  if (sealed)
    keys_[identity] = std::move(sealed);
  else
    keys_.erase(identity);
  update_.reset();
  change_soon();
}

bool ProxyLink::publish(uint64_t ticket) {
  if (!config_ || newest() == nullptr) return false;
  send_changes();
  if (newest() == nullptr) return false;  // settle() follows and reports the loss
  ticket_ = ticket;
  ticket_generation_ = wire_generation_;
  change_soon();  // it may be acknowledged already
  return true;
}

void ProxyLink::change_soon() {
  if (!settle_timer_.is_active()) settle_timer_.start(std::chrono::milliseconds(0));
}

// The only place that forgets connections and calls back: whatever happened, here nothing of this
// class is on the stack below.
void ProxyLink::settle() {
  hand_over_denials();
  const bool lost = reap();
  send_changes();
  if (lost) {
    if (callbacks_.on_proxy_lost) callbacks_.on_proxy_lost();
    return;
  }
  if (!was_connected_ && newest() != nullptr) {
    was_connected_ = true;
    if (callbacks_.on_proxy_connected) callbacks_.on_proxy_connected();
  }
  tell_rollout();
}

// True when the last proxy that was ready is gone.
bool ProxyLink::reap() {
  for (const auto& connection : connections_) {
    if (!connection->is_dead()) continue;
    const Error& why = *connection->death();
    if (why.reason == Reason::cannot_reach) {
      spdlog::info("component=proxylink msg=\"proxy {}\"", why.message());
    } else {
      counts_.dropped_total++;
      note_refusal(why);
    }
    keep_gauge(*connection);
  }
  if (!lost_gauges_.empty()) count_lost();
  std::erase_if(connections_, [](const auto& connection) { return connection->is_dead(); });
  if (!was_connected_ || newest() != nullptr) return false;
  was_connected_ = false;
  ticket_ = 0;
  return true;
}

void ProxyLink::hand_over_denials() {
  for (const auto& connection : connections_) {
    const config::Denials denials = connection->take_denials();
    if (!denials.is_empty() && callbacks_.on_denials) callbacks_.on_denials(denials);
  }
}

void ProxyLink::keep_gauge(ProxyConnection& dead) {
  auto gauge = dead.take_lost_gauge();
  if (gauge && lost_gauges_.size() < kLostGaugesMax) lost_gauges_.push_back(std::move(*gauge));
}

// A lost connection is not a lost proxy: it may connect again, and its last descriptor may close a
// moment after the link's. Its lock tells.
void ProxyLink::count_lost() {
  std::erase_if(lost_gauges_, [this](const link::LiveGaugeView& lost) {
    const bool is_back =
        std::any_of(connections_.begin(), connections_.end(), [&](const auto& one) {
          return one->is_ready() && one->gauge() && one->gauge()->inode() == lost.inode();
        });
    if (is_back || lost.is_owner_alive()) return is_back;
    const uint64_t streams = lost.sum();
    counts_.streams_lost_total += streams;
    spdlog::warn(
        "component=proxylink streams={} msg=\"a proxy ended without a goodbye: what it "
        "carried was reset\"",
        streams);
    return true;
  });
  if (!lost_gauges_.empty()) gauge_timer_.start(kLostGaugeInterval);
}

// Everything that is due to every proxy that said Hello.
void ProxyLink::send_changes() {
  if (!config_ || newest() == nullptr) return;
  const bool is_new = update_ == nullptr;
  if (is_new) make_update();
  for (const auto& connection : connections_) {
    if (!connection->is_ready()) continue;
    if (!connection->was_sent_to()) {
      counts_.connected_total++;
      last_refusal_.reset();
      spdlog::info("component=proxylink msg=\"proxy connected\" pid={} version={} workers={}",
                   connection->hello().pid, connection->hello().version,
                   connection->hello().workers);
    } else if (!is_new) {
      continue;
    }
    connection->send(update_);
  }
}

// Wire generations follow the model's where they can, but grow with every update, also with one
// that only brings a renewed key.
void ProxyLink::make_update() {
  wire_generation_ = std::max(config_->generation, wire_generation_ + 1);
  config::RuntimeConfig numbered = *config_;
  numbered.generation = wire_generation_;
  config::Descriptors descriptors{maps_.sockets.get(), maps_.notes.get(), {}};
  auto update = std::make_shared<Update>();
  update->generation = wire_generation_;
  for (const auto& [identity, sealed] : keys_) {
    descriptors.key_material.emplace(identity, sealed->get());
    update->keys.push_back(sealed);
  }
  update->payloads = config::encode_full(numbered, descriptors);
  update_ = std::move(update);
  counts_.updates_total++;
  generations_.emplace_back(wire_generation_, config_->generation);
  if (generations_.size() > kGenerationsKept) generations_.pop_front();
}

void ProxyLink::tell_rollout() {
  const ProxyConnection* proxy = newest();
  if (ticket_ == 0 || proxy == nullptr || proxy->acknowledged() < ticket_generation_) return;
  const uint64_t ticket = std::exchange(ticket_, 0);
  if (callbacks_.on_published) callbacks_.on_published(ticket);
}

ProxyConnection* ProxyLink::newest() const {
  const auto found = std::find_if(connections_.rbegin(), connections_.rend(),
                                  [](const auto& each) { return each->is_ready(); });
  return found == connections_.rend() ? nullptr : found->get();
}

void ProxyLink::request_stats() {
  if (ProxyConnection* proxy = newest()) proxy->request_stats();
}

uint64_t ProxyLink::model_generation(uint64_t wire_generation) const {
  if (wire_generation == wire_generation_ && update_) return config_->generation;
  const auto found = std::find_if(generations_.begin(), generations_.end(),
                                  [&](const auto& each) { return each.first == wire_generation; });
  return found == generations_.end() ? 0 : found->second;
}

ProxyStatus ProxyLink::status() const {
  ProxyStatus status;
  const ProxyConnection* proxy = newest();
  if (proxy == nullptr) return status;
  status.connected = true;
  status.pid = proxy->hello().pid;
  status.version = proxy->hello().version;
  status.workers = proxy->hello().workers;
  status.acknowledged_generation = model_generation(proxy->acknowledged());
  status.connections = static_cast<size_t>(
      std::count_if(connections_.begin(), connections_.end(),
                    [](const auto& connection) { return connection->is_ready(); }));
  status.stats = proxy->stats();
  return status;
}

std::vector<model::Finding> ProxyLink::findings() const {
  std::vector<model::Finding> all;
  for (const auto& connection : connections_) {
    if (!connection->is_ready()) continue;
    const std::string who = "proxy " + connection->hello().version + " (pid " +
                            std::to_string(connection->hello().pid) + ")";
    if (const auto& nack = connection->nack())
      all.push_back({model::Severity::kError,
                     Reason::proxy_config_refused,
                     {},
                     who,
                     "it keeps its last good configuration and refuses generation " +
                         std::to_string(nack->generation) + ": " +
                         std::string(reason_name(nack->reason)) + ": " + nack->text,
                     "run agent and proxy of one version"});
    if (connection->is_silent())
      all.push_back({model::Severity::kWarning,
                     Reason::proxy_unresponsive,
                     {},
                     who,
                     "it has not acknowledged its configuration",
                     "look at the proxy's log; restarting it loses no listener"});
  }
  if (last_refusal_ && newest() == nullptr)
    all.push_back({model::Severity::kError,
                   last_refusal_->reason,
                   {},
                   "proxy",
                   "connection refused: " + last_refusal_->message(),
                   ""});
  return all;
}

}  // namespace keelson::proxylink
