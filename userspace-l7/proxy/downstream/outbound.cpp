#include "proxy/downstream/outbound.h"

#include "io/tcp_stream.h"

namespace keelson::proxy {

OutboundConnection::OutboundConnection(const Services& services,
                                       std::shared_ptr<const config::LocalPod> pod,
                                       io::Socket socket)
    : Connection(services, services.scheduler.tenant(pod->ns), Path::kOutbound),
      pod_(std::move(pod)),
      socket_(std::move(socket)) {
  keep_alive(socket_.fd());
  record().source = pod_->ns + "/" + pod_->name;
  wake();
}

void OutboundConnection::advance() {
  if (!is_opening_) {
    if (auto opened = open_tunnel(); !opened) return fail_with(opened.error());
    is_opening_ = true;
    return;
  }
  if (!tunnel_) return;
  if (!*tunnel_) return fail_with(tunnel_->error());
  auto near = io::TcpStream::open(services().loop, std::move(socket_));
  if (!near) return fail_with(near.error());
  start_relay(std::move(*near), std::move(**tunnel_));
}

// The application sees a reset: sockets linger with zero seconds from birth.
void OutboundConnection::refuse(const Error&) noexcept {
  socket_.close();
}

Result<OutboundConnection::Destination> OutboundConnection::resolve() {
  if (!services().facts)
    return fail(Reason::attestation_missing, ErrorSource::kInternal, "no map from the agent yet");
  KS_ASSIGN(const ks_attestation facts, services().facts->attestation(socket_.fd()));
  const Endpoint original = Endpoint::from_raw(facts.original);
  record().destination_address = original.to_string();
  if (!is_captured_by(facts, pod_->netns_cookie))
    return fail(Reason::attestation_mismatch, ErrorSource::kKernel,
                "kind " + std::to_string(facts.kind) + " on the outbound listener");
  Destination to{facts.chosen.port != 0 ? Endpoint::from_raw(facts.chosen) : original, nullptr, {}};
  record().destination_address = to.endpoint.to_string();
  const auto& services_by_id = config().runtime->services;
  if (const auto service = services_by_id.find(facts.service); service != services_by_id.end()) {
    record().service = service->second->ns + "/" + service->second->name;
    to.host = service->second->name + "." + service->second->ns + ".svc";
  }
  to.workload = config().workload(to.endpoint.address);
  if (to.workload == nullptr || !to.workload->ready)
    return fail(Reason::destination_unknown, ErrorSource::kConfig, to.endpoint.to_string());
  record().destination = to.workload->name;
  return to;
}

Result<void> OutboundConnection::open_tunnel() {
  KS_ASSIGN(const Endpoint client, socket_.remote());
  record().source_address = client.to_string();
  if (const auto* own = config().identity(pod_->identity))
    record().source_identity = "spiffe://" + own->name;
  KS_ASSIGN(const Destination to, resolve());
  if (const auto* theirs = config().identity(to.workload->identity))
    record().destination_identity = "spiffe://" + theirs->name;

  const hbone::PoolKey key{pod_->netns_cookie,
                           {to.endpoint.address, KS_HBONE_PORT},
                           pod_->identity,
                           to.workload->identity};
  hbone::TunnelRequest request{to.endpoint.to_string(), {}};
  request.headers.add("forwarded", forwarded_value(client, to.host));
  KS_ASSIGN(pending_,
            services().tunnels.open(key, std::move(request),
                                    [this](Result<std::unique_ptr<hbone::Tunnel>> tunnel) {
                                      tunnel_ = std::move(tunnel);
                                      wake();
                                    }));
  return {};
}

std::string forwarded_value(const Endpoint& client, const std::string& host) {
  std::string value = "for=\"" + client.to_string() + "\"";
  if (!host.empty()) value += ";host=" + host;
  return value;
}

}  // namespace keelson::proxy
