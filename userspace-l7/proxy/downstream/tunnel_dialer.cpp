#include "proxy/downstream/tunnel_dialer.h"

#include "io/connect.h"
#include "io/tcp_stream.h"
#include "proxy/connection.h"

namespace keelson::proxy {
namespace {

// Waits for a socket when the stock is dry, then connects.
class SocketAttempt final : public hbone::Dialer::Attempt {
 public:
  SocketAttempt(io::EventLoop& loop, const Endpoint& to, hbone::Dialer::OnStream on_stream)
      : loop_(loop), to_(to), on_stream_(std::move(on_stream)) {}

  Result<void> start(SocketStock& sockets, const SocketKind& kind) {
    if (Fd socket = sockets.take(kind)) {
      connect(std::move(socket));
      return {};
    }
    KS_ASSIGN(ticket_, sockets.wait(kind, [this](Result<Fd> socket) {
      if (!socket) return on_stream_(Failure(std::move(socket).error()));
      connect(std::move(*socket));
    }));
    return {};
  }

 private:
  void connect(Fd socket) {
    connect_ = io::Connect::start(loop_, std::move(socket), to_, [this](Result<io::Socket> made) {
      if (!made) return on_stream_(Failure(std::move(made).error()));
      keep_alive(made->fd());
      auto stream = io::TcpStream::open(loop_, std::move(*made));
      if (!stream) return on_stream_(Failure(std::move(stream).error()));
      on_stream_(std::unique_ptr<io::ByteStream>(std::move(*stream)));
    });
  }

  io::EventLoop& loop_;
  const Endpoint to_;
  const hbone::Dialer::OnStream on_stream_;
  std::unique_ptr<SocketStock::Ticket> ticket_;
  std::unique_ptr<io::Connect> connect_;
};

Failure unknown(const char* what) {
  return fail(Reason::destination_unknown, ErrorSource::kConfig, what);
}

}  // namespace

Result<std::unique_ptr<hbone::Dialer::Attempt>> TunnelDialer::dial(const hbone::PoolKey& key,
                                                                   OnStream on_stream) {
  const auto pod = parts_.config->pod_by_cookie(key.source_pod);
  if (!pod) return fail(Reason::pod_unknown, ErrorSource::kConfig, "the source pod is gone");
  auto attempt =
      std::make_unique<SocketAttempt>(parts_.loop, key.destination, std::move(on_stream));
  KS_TRY(attempt->start(parts_.sockets,
                        {pod->uid, key.destination.address.family(), KS_ROLE_DIAL_HBONE}));
  return std::unique_ptr<Attempt>(std::move(attempt));
}

Result<hbone::Dialer::Identity> TunnelDialer::identify(const hbone::PoolKey& key) {
  const auto pod = parts_.config->pod_by_cookie(key.source_pod);
  if (!pod) return fail(Reason::pod_unknown, ErrorSource::kConfig, "the source pod is gone");
  Identity identity;
  identity.context = parts_.config->context(key.source_identity);
  if (!identity.context)
    return fail(Reason::identity_pending, ErrorSource::kConfig, pod->ns + "/" + pod->name);
  const config::Identity* theirs = parts_.config->identity(key.destination_identity);
  if (theirs == nullptr) return unknown("the destination's identity");
  KS_ASSIGN(tls::SpiffeId expected, tls::SpiffeId::parse("spiffe://" + theirs->name));
  identity.expected.push_back(std::move(expected));
  const Tenant& tenant = parts_.scheduler.tenant(pod->ns);
  identity.account = {tenant.id(), tenant.tunnel_budget()};
  parts_.stats.handshakes_total.add();
  return identity;
}

}  // namespace keelson::proxy
