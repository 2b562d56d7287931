#include "proxy/downstream/inbound.h"

#include "base/content_id.h"
#include "io/tcp_stream.h"
#include "proxy/upstream/connector.h"

namespace keelson::proxy {
namespace {

constexpr uint16_t kBadRequest = 400;
constexpr uint16_t kUnauthorized = 401;
constexpr uint16_t kUnavailable = 503;

uint16_t status_of(Reason reason) noexcept {
  if (config::is_policy_denial(reason)) return kUnauthorized;
  switch (reason) {
    case Reason::hbone_bad_authority:
    case Reason::hbone_wrong_address:
    case Reason::hbone_not_connect:
      return kBadRequest;
    case Reason::connections_cut:
      return kUnauthorized;
    default:
      return kUnavailable;
  }
}

}  // namespace

Endpoint client_address(const Endpoint& tcp_peer, const http::HeaderList& headers) {
  const auto value = headers.first("forwarded");
  constexpr std::string_view kFor = "for=\"";
  if (!value || !value->starts_with(kFor)) return tcp_peer;
  const size_t end = value->find('"', kFor.size());
  if (end == std::string_view::npos) return tcp_peer;
  const auto named = hbone::Authority::parse(value->substr(kFor.size(), end - kFor.size()));
  if (!named || !named->address || *named->address != tcp_peer.address) return tcp_peer;
  return named->endpoint();
}

// ---- InboundTunnel ----------------------------------------------------------------------------

InboundTunnel::InboundTunnel(const Services& services, const InboundPeers& peers,
                             std::unique_ptr<hbone::ConnectRequest> request)
    : Connection(services, services.scheduler.tenant(request->peer().id.ns), Path::kInbound),
      peers_(peers),
      proven_identity_(content_id(request->peer().id.to_string())),
      request_(std::move(request)) {
  record().source_identity = request_->peer().id.to_string();
  record().source_address = peers_.client.to_string();
  if (const auto* source = config().workload(peers_.client.address)) record().source = source->name;
  record().destination = peers_.pod->ns + "/" + peers_.pod->name;
  record().destination_address = request_->authority().to_string();
  if (const auto* own = config().identity(peers_.pod->identity))
    record().destination_identity = "spiffe://" + own->name;
  services.stats.tunnels_active.add();
  wake();
}

InboundTunnel::~InboundTunnel() {
  services().stats.tunnels_active.subtract();
}

void InboundTunnel::step() {
  if (!is_judged_) {
    is_judged_ = true;
    if (auto judged = judge(); !judged) return fail_with(judged.error());
    if (auto dialled = dial(); !dialled) return fail_with(dialled.error());
    return;
  }
  if (request_->is_gone())
    return fail_with({Reason::stream_reset, ErrorSource::kDownstream, false, 0, "peer gave up"});
  if (!application_) return;
  if (!*application_) return fail_with(application_->error());
  auto near = request_->accept();
  if (!near) return fail_with(near.error());
  attempt_.reset();
  start_relay(std::move(*near), std::move(**application_));
}

void InboundTunnel::refuse(const Error& why) noexcept {
  attempt_.reset();
  if (request_ && !request_->is_gone()) request_->refuse(status_of(why.reason));
  request_.reset();
}

config::Decision InboundTunnel::decide(const ServingConfig& by, const config::LocalPod& pod) const {
  config::PolicyQuestion question;
  question.policy_set = pod.policy_set;
  question.proven_identity = proven_identity_;
  if (const auto* claimed = by.workload(peers_.client.address))
    question.claimed_identity = claimed->identity;
  question.source = peers_.client.address;
  question.destination_port = port_;
  return by.runtime->decide(question);
}

Result<void> InboundTunnel::judge() {
  const hbone::Authority& to = request_->authority();
  if (!to.address || !peers_.pod->owns(*to.address) || to.port == KS_HBONE_PORT)
    return fail(Reason::hbone_wrong_address, ErrorSource::kDownstream, to.to_string());
  port_ = to.port;
  const config::Decision decision = decide(config(), *peers_.pod);
  record().policy = config().runtime->policy_name(peers_.pod->policy_set, decision.policy);
  if (decision.verdict != KS_ALLOW)
    return fail(decision.reason, ErrorSource::kConfig, to.to_string());
  return {};
}

void InboundTunnel::rejudge(const ServingConfig& now) {
  // A pod that left the mesh keeps what was established.
  const auto pod = now.pod(peers_.pod->uid);
  if (!is_judged_ || port_ == 0 || !pod) return;
  const config::Decision decision = decide(now, *pod);
  if (decision.verdict == KS_ALLOW) return;
  cut(Reason::connections_cut,
      std::string(now.runtime->policy_name(pod->policy_set, decision.policy)));
}

Result<void> InboundTunnel::dial() {
  const Endpoint to = request_->authority().endpoint();
  const Dial what{.socket = {peers_.pod->uid, to.address.family(), KS_ROLE_DIAL_DELIVER},
                  .to = to,
                  .client = client_address(peers_.client, request_->headers())};
  KS_ASSIGN(attempt_, proxy::dial(services(), what, [this](auto application) {
              application_ = std::move(application);
              wake();
            }));
  return {};
}

// ---- InboundServer ----------------------------------------------------------------------------

InboundServer::InboundServer(const Services& services, Owner& owner, Tenant& tenant,
                             InboundPeers peers)
    : services_(services), owner_(owner), tenant_(tenant), peers_(std::move(peers)) {
  tenant_.connections++;
}

InboundServer::~InboundServer() {
  tenant_.connections--;
}

Result<std::unique_ptr<InboundServer>> InboundServer::start(
    const Services& services, const hbone::Environment& environment, Owner& owner,
    std::shared_ptr<const config::LocalPod> pod, io::Socket socket) {
  if (!services.facts)
    return fail(Reason::attestation_missing, ErrorSource::kInternal, "no map from the agent yet");
  KS_ASSIGN(const ks_attestation facts, services.facts->attestation(socket.fd()));
  if (!is_from_outside(facts, pod->netns_cookie))
    return fail(Reason::attestation_mismatch, ErrorSource::kKernel,
                "kind " + std::to_string(facts.kind) + " on the HBONE listener");
  auto context = services.config->context(pod->identity);
  if (!context)
    return fail(Reason::identity_pending, ErrorSource::kConfig, pod->ns + "/" + pod->name);
  KS_ASSIGN(const Endpoint client, socket.remote());
  keep_alive(socket.fd());
  KS_ASSIGN(auto lower, io::TcpStream::open(services.loop, std::move(socket)));
  Tenant& tenant = services.scheduler.tenant(pod->ns);
  std::unique_ptr<InboundServer> server(
      new InboundServer(services, owner, tenant, {std::move(pod), client}));
  KS_ASSIGN(server->connection_,
            hbone::ServerConnection::start({environment,
                                            {tenant.id(), tenant.tunnel_budget()},
                                            std::move(context),
                                            std::move(lower)},
                                           *server));
  return server;
}

void InboundServer::on_established(hbone::ServerConnection&) {
  services_.stats.handshakes_total.add();
}

void InboundServer::on_connect(hbone::ServerConnection&,
                               std::unique_ptr<hbone::ConnectRequest> request) {
  // As it is now: the connection may be older than its policy.
  auto pod = services_.config->pod(peers_.pod->uid);
  if (!pod) {
    request->refuse(kUnavailable);
    return log(Reason::pod_unknown, request->authority().to_string());
  }
  owner_.add(std::make_unique<InboundTunnel>(services_, InboundPeers{std::move(pod), peers_.client},
                                             std::move(request)));
}

void InboundServer::on_refused(hbone::ServerConnection&, Reason why) {
  log(why, {});
}

void InboundServer::on_finished(hbone::ServerConnection&, const Error* why) {
  // Tunnels log their own ends; what ends before the peer is known concerns the connection.
  if (why != nullptr && connection_->peer() == nullptr) log(why->reason, why->message());
  owner_.remove(*this);
}

void InboundServer::log(Reason reason, const std::string& detail) const {
  services_.stats.count(reason);
  AccessRecord record;
  record.time = services_.clock.wall_now();
  record.path = Path::kInbound;
  record.source_address = peers_.client.to_string();
  if (const auto* peer = connection_->peer()) record.source_identity = peer->id.to_string();
  record.destination = peers_.pod->ns + "/" + peers_.pod->name;
  record.reason = reason;
  record.detail = detail;
  record.generation = services_.config->generation();
  services_.log.write(record);
}

}  // namespace keelson::proxy
