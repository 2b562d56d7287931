#include "proxy/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

#include "base/assert.h"
#include "base/limits.h"

namespace keelson::proxy {

Connection::Connection(const Services& services, Tenant& tenant, Path path)
    : Runnable(services.scheduler, tenant.id()),
      services_(services),
      tenant_(tenant),
      config_(services.config),
      since_(services.clock.now()) {
  KS_ASSERT(config_ != nullptr);
  record_.path = path;
  record_.generation = config_->generation();
  tenant_.connections++;
  services_.stats.connections_active.add();
  services_.stats.connections_total.add();
}

Connection::~Connection() {
  tenant_.connections--;
  services_.stats.connections_active.subtract();
}

void Connection::cut(Reason why, std::string policy) noexcept {
  if (!cut_) cut_ = Cut{why, std::move(policy)};
  wake();
}

size_t Connection::run(size_t budget_bytes) {
  if (cut_) {
    record_.policy = cut_->policy;
    if (relay_)
      relay_->reset(cut_->reason);
    else
      refuse({cut_->reason, ErrorSource::kConfig, false, 0, {}});
    finish(cut_->reason, {});
    return 0;
  }
  if (!relay_) return advance(budget_bytes);  // may destroy this, or start the relay and wake
  const Relay::Progress progress = relay_->pump(budget_bytes);
  if (progress.bytes > 0) has_looked_again_ = false;
  on_relayed(progress);
  return progress.bytes;
}

void Connection::start_relay(std::unique_ptr<io::ByteStream> near,
                             std::unique_ptr<io::ByteStream> far) {
  relay_ = std::make_unique<Relay>(std::move(near), std::move(far), services_.blocks, tenant_,
                                   services_.clock, [this] { wake(); });
  wake();
}

void Connection::on_relayed(Relay::Progress progress) {
  services_.stats.bytes_sent_total.add(relay_->bytes_sent() - record_.bytes_sent);
  services_.stats.bytes_received_total.add(relay_->bytes_received() - record_.bytes_received);
  record_.bytes_sent = relay_->bytes_sent();
  record_.bytes_received = relay_->bytes_received();
  switch (progress.state) {
    case Relay::State::kWaiting:
      return end_if_quiet();
    case Relay::State::kMore:
      return wake();
    case Relay::State::kStarved:
      services_.stats.count(Reason::buffer_pool_empty);
      if (!starved_) starved_ = services_.alarms.make([this] { wake(); });
      return starved_->start(kStarvedRetry);
    case Relay::State::kEnded:
      return finish(Reason::relayed, {});
    case Relay::State::kFailed:
      return finish(relay_->error().reason, relay_->error().message());
  }
}

void Connection::last_call() {
  is_last_call_ = true;
  wake();
}

void Connection::end_if_quiet() {
  if (!is_last_call_ || !relay_->is_answered()) return;
  const auto quiet = services_.clock.now() - relay_->last_activity();
  if (quiet >= kRelayQuietTime) {
    // The loop may not have told yet what has come since: a question that waits is no quiet.
    if (!std::exchange(has_looked_again_, true)) {
      relay_->look_again();
      return wake();
    }
    if (auto ended = relay_->end_answered(); !ended) {
      relay_->reset(ended.error().reason);
      return finish(ended.error().reason, ended.error().message());
    }
    return services_.stats.count(Reason::last_call_ended);
  }
  if (!quiet_) quiet_ = services_.alarms.make([this] { wake(); });
  quiet_->start(std::chrono::ceil<std::chrono::milliseconds>(kRelayQuietTime - quiet));
}

void Connection::fail_with(const Error& why) {
  refuse(why);
  finish(why.reason, why.message());
}

void Connection::finish(Reason reason, std::string detail) {
  record_.reason = reason;
  record_.detail = std::move(detail);
  if (!logs_itself()) log(record_, since_);
  services_.connections.remove(*this);
}

void Connection::log(AccessRecord& record, MonotonicTime since) {
  services_.stats.count(record.reason);
  record.time = services_.clock.wall_now();
  record.duration =
      std::chrono::duration_cast<std::chrono::microseconds>(services_.clock.now() - since);
  services_.log.write(record);
}

void keep_alive(int fd) noexcept {
  const int on = 1, idle_seconds = 180, interval_seconds = 30, probes = 4;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

}  // namespace keelson::proxy
