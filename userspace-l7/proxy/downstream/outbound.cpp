#include "proxy/downstream/outbound.h"

#include "io/tcp_stream.h"
#include "proxy/upstream/connector.h"

namespace keelson::proxy {

OutboundConnection::OutboundConnection(const Services& services,
                                       std::shared_ptr<const config::LocalPod> pod, Capture capture,
                                       io::Socket socket)
    : Connection(services, services.scheduler.tenant(pod->ns), Path::kOutbound),
      pod_(std::move(pod)),
      capture_(std::move(capture)),
      socket_(std::move(socket)) {
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
  if (!is_opening_) {
    is_opening_ = true;
    if (auto opened = open_tunnel(); !opened) fail_with(opened.error());
    return;
  }
  if (!tunnel_) return;
  pending_.reset();
  if (!*tunnel_) return fail_with(tunnel_->error());
  auto near = io::TcpStream::open(services().loop, std::move(socket_));
  if (!near) return fail_with(near.error());
  start_relay(std::move(*near), std::move(**tunnel_));
}

// The application sees a reset: sockets linger with zero seconds from birth.
void OutboundConnection::refuse(const Error&) noexcept {
  socket_.close();
}

Result<void> OutboundConnection::open_tunnel() {
  const Endpoint& to = capture_.destination();
  const config::Workload* workload = config().workload(to.address);
  if (workload == nullptr || !workload->ready)
    return fail(Reason::destination_unknown, ErrorSource::kConfig, to.to_string());
  record().destination = workload->name;
  if (const auto* theirs = config().identity(workload->identity))
    record().destination_identity = "spiffe://" + theirs->name;

  Target target;
  target.way = Target::Way::kHbone;
  target.source = pod_;
  target.destination = to;
  target.destination_identity = workload->identity;
  target.client = capture_.client;
  target.service = capture_.service;
  KS_ASSIGN(pending_, proxy::open_tunnel(services(), target,
                                         [this](Result<std::unique_ptr<hbone::Tunnel>> tunnel) {
                                           tunnel_ = std::move(tunnel);
                                           wake();
                                         }));
  return {};
}

}  // namespace keelson::proxy
