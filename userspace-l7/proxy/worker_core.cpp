#include "proxy/worker_core.h"

#include <spdlog/spdlog.h>

#include <random>

#include "base/limits.h"

namespace keelson::proxy {

WorkerCore::WorkerCore(const Parts& parts)
    : parts_(parts),
      services_{parts.loop,   scheduler_, parts.blocks, alarms_,  parts.clock,
                parts.stats,  parts.log,  sockets_,     tunnels_, upstreams_,
                pods_in_use_, rng_,       *this,        config_,  facts_},
      turn_(parts.loop, [this] { run_turn(); }),
      scheduler_([this] { turn_.start(); }),
      alarms_(parts.loop),
      signer_(
          [loop = &parts.loop](std::function<void()> task) { return loop->post(std::move(task)); }),
      supply_(parts.supply, parts.loop),
      sockets_(supply_, alarms_),
      dialer_(services_),
      environment_{scheduler_, parts.blocks, signer_, alarms_},
      tunnels_(environment_, dialer_),
      connector_(services_),
      upstreams_(connector_, parts.blocks, alarms_, parts.clock),
      pods_in_use_([this](const config::LocalPod& pod) { let_go(pod); }),
      rng_(std::random_device()()),
      listeners_(
          parts.loop, supply_, alarms_,
          [this](const std::string& uid, ks_role role, io::Socket socket) {
            on_accept(uid, role, std::move(socket));
          },
          [this](const Error& why) { on_trouble(why); }) {}

WorkerCore::~WorkerCore() = default;

// Returning to the loop between turns: new events are seen, timers are due.
void WorkerCore::run_turn() {
  if (scheduler_.run_turn()) turn_.start();
}

void WorkerCore::apply(ConfigLease config) {
  if (config_) accept_of_leaving(*config);
  const ConfigLease before = std::exchange(config_, std::move(config));
  pods_in_use_.on_config(config_);
  if (before) forget_sockets(*before);
  update_pods();
  if (before) retire_tunnels(*before);
  for (const auto& [key, connection] : connections_) connection->rejudge(*config_);
}

// The kernel captured it for them, and nobody will accept from their listeners later.
void WorkerCore::accept_of_leaving(const ServingConfig& next) {
  for (const auto& [uid, pod] : pods_)
    if (!next.pod(uid)) listeners_.accept_rest(uid);
}

// Nobody dials for it any more.
void WorkerCore::let_go(const config::LocalPod& pod) {
  sockets_.close_pod(pod.uid);
  tunnels_.retire([&pod](const hbone::PoolKey& key) { return key.source_pod == pod.netns_cookie; });
  upstreams_.retire([&pod](const UpstreamKey& key) { return key.source_pod == pod.netns_cookie; });
}

// Of pods that are gone or came back as others: those at home here, and those that only requests
// from here were delivered to.
void WorkerCore::forget_sockets(const ServingConfig& before) {
  for (const auto& [uid, pod] : before.runtime->local_pods) {
    const auto now = config_->pod(uid);
    const bool is_same = now && now->netns_cookie == pod->netns_cookie;
    if (!is_same && pods_in_use_.departed(pod->netns_cookie) == nullptr) sockets_.close_pod(uid);
  }
}

void WorkerCore::update_pods() {
  for (auto at = pods_.begin(); at != pods_.end();) {
    const auto now = config_->pod(at->first);
    const bool is_same =
        now && now->netns_cookie == at->second->netns_cookie && parts_.place.is_home_of(*now);
    if (is_same) {
      at->second = now;
      ++at;
      continue;
    }
    listeners_.close_pod(at->first);
    if (pods_in_use_.departed(at->second->netns_cookie) == nullptr) let_go(*at->second);
    at = pods_.erase(at);
  }
  for (const auto& [uid, pod] : config_->runtime->local_pods) {
    if (!parts_.place.is_home_of(*pod) || !pods_.emplace(uid, pod).second) continue;
    if (!is_draining_) listeners_.open_pod(uid);
    sockets_.open_pod(*pod);
  }
}

// A renewed certificate proves for new tunnels; open ones end with the old one.
void WorkerCore::retire_tunnels(const ServingConfig& before) {
  tunnels_.retire([&before, this](const hbone::PoolKey& key) {
    // A pod that has left keeps the certificate it had.
    return pods_in_use_.departed(key.source_pod) == nullptr &&
           before.context(key.source_identity) != config_->context(key.source_identity);
  });
  upstreams_.retire([this](const UpstreamKey& key) {
    const auto* owner = config_->workload(key.destination.address);
    const uint64_t identity = owner != nullptr && owner->ready ? owner->identity : 0;
    const bool has_source =
        config_->pod_by_cookie(key.source_pod) || pods_in_use_.departed(key.source_pod) != nullptr;
    return identity != key.destination_identity || !has_source ||
           (key.receiver_pod != 0 && !config_->pod_by_cookie(key.receiver_pod));
  });
}

void WorkerCore::on_accept(const std::string& uid, ks_role role, io::Socket socket) {
  // Pods are opened by a configuration, so there is one.
  const auto pod = config_->pod(uid);
  Result<void> admitted =
      pod ? admit(pod, role, socket)
          : Result<void>(fail(Reason::pod_unknown, ErrorSource::kConfig, "pod " + uid));
  if (!admitted) log_refusal(pod.get(), role, socket, admitted.error());
}

Result<void> WorkerCore::admit(const std::shared_ptr<const config::LocalPod>& pod, ks_role role,
                               io::Socket& socket) {
  if (role == KS_ROLE_PLAIN)
    return fail(Reason::l7_unavailable, ErrorSource::kConfig, "no HTTP processing in this version");
  if (scheduler_.tenant(pod->ns).connections >= kTenantConnectionsMax)
    return fail(Reason::connection_limit, ErrorSource::kInternal, pod->ns);
  if (role == KS_ROLE_OUTBOUND) {
    KS_ASSIGN(Capture capture, read_capture(services_, *pod, socket));
    std::unique_ptr<Connection> connection;
    if (capture.is_per_request()) {
      KS_ASSIGN(connection, HttpConnection::start(services_, pod, capture, std::move(socket)));
    } else {
      connection = std::make_unique<OutboundConnection>(services_, pod, std::move(capture),
                                                        std::move(socket));
    }
    connections_.emplace(connection.get(), std::move(connection));
    return {};
  }
  KS_ASSIGN(auto server,
            InboundServer::start(services_, environment_, *this, pod, std::move(socket)));
  servers_.emplace(server.get(), std::move(server));
  return {};
}

void WorkerCore::log_refusal(const config::LocalPod* pod, ks_role role, const io::Socket& socket,
                             const Error& why) {
  parts_.stats.count(why.reason);
  AccessRecord record;
  record.time = parts_.clock.wall_now();
  record.path = role == KS_ROLE_OUTBOUND ? Path::kOutbound
                : role == KS_ROLE_HBONE  ? Path::kInbound
                                         : Path::kPlain;
  if (socket) {
    if (const auto peer = socket.remote()) record.source_address = peer->to_string();
  }
  if (pod != nullptr)
    (role == KS_ROLE_OUTBOUND ? record.source : record.destination) = pod->ns + "/" + pod->name;
  record.reason = why.reason;
  record.detail = why.message();
  record.generation = config_->generation();
  parts_.log.write(record);
}

void WorkerCore::on_trouble(const Error& why) {
  parts_.stats.count(why.reason);
  spdlog::warn("component=proxy worker={} reason={} msg=\"no listeners: {}\"", parts_.place.index,
               reason_name(why.reason), why.message());
}

void WorkerCore::begin_drain(std::function<void()> on_idle) {
  is_draining_ = true;
  on_idle_ = std::move(on_idle);
  listeners_.close_all();
  for (const auto& [key, server] : servers_) server->drain();
  for (const auto& [key, connection] : connections_) connection->drain();
  check_idle();
}

void WorkerCore::last_call() {
  for (const auto& [key, connection] : connections_) connection->last_call();
  end_kept();
}

// Destroying them would reset what they have just carried.
void WorkerCore::end_kept() {
  upstreams_.drain([this] { check_idle(); });
  tunnels_.drain([this] { check_idle(); });
}

void WorkerCore::reset_all() {
  for (const auto& [key, connection] : connections_) connection->cut(Reason::drain_deadline);
  for (const auto& [key, server] : servers_) server->abort(Reason::drain_deadline);
}

void WorkerCore::check_idle() {
  if (!is_draining_ || !on_idle_ || !connections_.empty() || !servers_.empty()) return;
  if (!end_patience_) {
    end_patience_ = alarms_.make([this] { check_idle(); });
    end_patience_->start(kDrainEndTime);
    end_kept();
  }
  const bool is_ended = upstreams_.is_empty() && tunnels_.is_empty();
  if (!is_ended && end_patience_->is_running()) return;
  if (!is_ended)
    parts_.stats.count(Reason::drain_deadline);  // kept to another node or an application
  const auto tell = std::exchange(on_idle_, nullptr);
  tell();
}

void WorkerCore::remove(Connection& connection) noexcept {
  connections_.erase(&connection);
  check_idle();
}

void WorkerCore::remove(InboundServer& server) noexcept {
  servers_.erase(&server);
  check_idle();
}

void WorkerCore::add(std::unique_ptr<InboundTunnel> tunnel) {
  connections_.emplace(tunnel.get(), std::move(tunnel));
}

}  // namespace keelson::proxy
