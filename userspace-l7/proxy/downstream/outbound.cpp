#include "proxy/downstream/outbound.h"

#include "io/tcp_stream.h"

namespace keelson::proxy {

OutboundConnection::OutboundConnection(const Services& services,
                                       std::shared_ptr<const config::LocalPod> pod, Capture capture,
                                       io::Socket socket)
    : Connection(services, services.scheduler.tenant(pod->ns), Path::kOutbound),
      pod_(std::move(pod)),
      capture_(std::move(capture)),
      pod_use_(services.pods.add(pod_, services.config)),
      socket_(std::move(socket)),
      connector_(services) {
  keep_alive(socket_.fd());
  record().source = pod_->ns + "/" + pod_->name;
  record().source_address = capture_.client.to_string();
  if (const auto* own = config().identity(pod_->identity))
    record().source_identity = "spiffe://" + own->name;
  record().destination_address = capture_.destination().to_string();
  if (capture_.service) record().service = capture_.service->ns + "/" + capture_.service->name;
  wake();
}

void OutboundConnection::step() {
  if (settling_ && settling_->is_running()) return;
  if (made_) {
    auto made = std::move(*made_);
    made_.reset();
    attempt_.reset();
    if (!made) return on_connect_failed(made.error());
    auto near = io::TcpStream::open(services().loop, std::move(socket_));
    if (!near) return fail_with(near.error());
    pod_use_.reset();
    return start_relay(std::move(*near), std::move(made->bytes));
  }
  if (attempt_) return;
  if (auto begun = connect(); !begun) on_connect_failed(begun.error());
}

// The application sees a reset: sockets linger with zero seconds from birth.
void OutboundConnection::refuse(const Error&) noexcept {
  socket_.close();
}

void OutboundConnection::on_connect_failed(const Error& why) {
  if (!is_unsettled(why) || unsettled_tries_++ >= kUnsettledTriesMax) return fail_with(why);
  services().stats.count(Reason::unsettled_retried);
  if (!settling_) settling_ = services().alarms.make([this] { wake(); });
  settling_->start(kUnsettledRetry);
}

Result<void> OutboundConnection::connect() {
  const ServingConfig& newest = *services().config;
  // It was captured for a pod of the mesh: in the clear only while its node says itself that it is
  // not ready (any more); to an address that nobody has, never.
  if (newest.workload(capture_.destination().address) == nullptr)
    return fail(Reason::destination_unknown, ErrorSource::kConfig,
                capture_.destination().to_string());
  record().destination_identity.clear();
  record().policy.clear();
  KS_ASSIGN(target_, resolve_target(newest, pod_, capture_.destination()));
  target_->client = capture_.client;
  target_->service = capture_.service;
  record().destination = target_->workload;
  if (const auto* theirs = newest.identity(target_->destination_identity))
    record().destination_identity = "spiffe://" + theirs->name;
  if (const config::Decision decision = judge(newest, *target_); decision.verdict != KS_ALLOW) {
    record().policy = policy_of(newest, decision);
    return fail(decision.reason, ErrorSource::kConfig, target_->workload);
  }
  KS_ASSIGN(attempt_, connector_.connect(*target_, [this](Result<Connector::Carried> made) {
    made_ = std::move(made);
    wake();
  }));
  return {};
}

// Only what goes to a pod of this node in the clear is judged here. One that left the mesh keeps
// what was established.
void OutboundConnection::rejudge(const ServingConfig& now) {
  if (!target_ || target_->way != Target::Way::kLocal || !now.pod(target_->receiver->uid)) return;
  const config::Decision decision = judge(now, *target_);
  if (decision.verdict == KS_ALLOW) return;
  cut(Reason::connections_cut, policy_of(now, decision));
}

std::string OutboundConnection::policy_of(const ServingConfig& config,
                                          const config::Decision& decision) const {
  const auto receiver = config.pod(target_->receiver->uid);
  if (!receiver) return {};
  return std::string(config.runtime->policy_name(receiver->policy_set, decision.policy));
}

}  // namespace keelson::proxy
