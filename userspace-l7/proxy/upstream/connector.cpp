#include "proxy/upstream/connector.h"

#include <cerrno>

#include "io/connect.h"
#include "io/tcp_stream.h"

namespace keelson::proxy {
namespace {

class SocketAttempt final : public hbone::Dialer::Attempt {
 public:
  SocketAttempt(const Services& services, const Dial& what, hbone::Dialer::OnStream on_stream)
      : services_(services), what_(what), on_stream_(std::move(on_stream)) {
    if (what_.patience.count() == 0) return;
    patience_ = services_.alarms.make([this] {
      give_up({Reason::connect_timeout, ErrorSource::kUpstream, true, 0, what_.to.to_string()});
    });
  }

  Result<void> start() {
    if (Fd socket = services_.sockets.take(what_.socket)) return connect(std::move(socket));
    // hold makes no more of them, and the kernel asks none of them for its role.
    if (services_.pods.has_departed(what_.socket.pod)) {
      if (Fd socket = services_.sockets.take_any(what_.socket.pod, what_.socket.family))
        return connect(std::move(socket));
    }
    KS_ASSIGN(ticket_, services_.sockets.wait(what_.socket, [this](Result<Fd> socket) {
      if (!socket) return give_up(socket.error());
      if (auto begun = connect(std::move(*socket)); !begun) give_up(begun.error());
    }));
    return {};
  }

 private:
  Result<void> connect(Fd socket) {
    if (what_.client) {
      if (!services_.facts)
        return fail(Reason::attestation_missing, ErrorSource::kInternal, "no map yet");
      KS_TRY(services_.facts->write_note(socket.get(), *what_.client));
    }
    if (patience_) patience_->start(what_.patience);
    connect_ = io::Connect::start(services_.loop, std::move(socket), what_.to,
                                  [this](Result<io::Socket> made) { take(std::move(made)); });
    return {};
  }
  void take(Result<io::Socket> made) {
    if (patience_) patience_->stop();
    if (!made) return give_up(made.error());
    keep_alive(made->fd());
    auto stream = io::TcpStream::open(services_.loop, std::move(*made));
    if (!stream) return give_up(stream.error());
    on_stream_(std::unique_ptr<io::ByteStream>(std::move(*stream)));
  }
  void give_up(const Error& why) {
    connect_.reset();  // it calls no more
    on_stream_(Failure(why));
  }

  const Services& services_;
  const Dial what_;
  const hbone::Dialer::OnStream on_stream_;
  std::unique_ptr<hbone::Alarm> patience_;
  std::unique_ptr<SocketStock::Ticket> ticket_;
  std::unique_ptr<io::Connect> connect_;
};

class TunnelAttempt final : public Connector::Attempt {
 public:
  Result<void> start(const Services& services, const Target& target,
                     Connector::OnStream on_stream) {
    KS_ASSIGN(pending_,
              open_tunnel(services, target, [on_stream = std::move(on_stream)](auto tunnel) {
                take(on_stream, std::move(tunnel));
              }));
    return {};
  }

 private:
  static void take(const Connector::OnStream& on_stream,
                   Result<std::unique_ptr<hbone::Tunnel>> tunnel) {
    if (!tunnel) return on_stream(Failure(std::move(tunnel).error()));
    const hbone::Tunnel* const lent = tunnel->get();
    on_stream(Connector::Carried{std::move(*tunnel), [lent] { return lent->is_retiring(); }});
  }

  std::unique_ptr<hbone::Pool::Pending> pending_;
};

hbone::Dialer::OnStream carried(Connector::OnStream on_stream) {
  return [on_stream = std::move(on_stream)](Result<std::unique_ptr<io::ByteStream>> bytes) {
    if (!bytes) return on_stream(Failure(std::move(bytes).error()));
    on_stream(Connector::Carried{std::move(*bytes)});
  };
}

// The `forwarded` header of a CONNECT: for="<client>" and, for a Service, host=NAME.
std::string forwarded_value(const Target& target) {
  std::string value = "for=\"" + target.client.to_string() + "\"";
  if (target.service) value += ";host=" + host_of(*target.service);
  return value;
}

}  // namespace

bool is_unsettled(const Error& why) noexcept {
  return why.os_errno == EPERM || why.reason == Reason::pod_record_missing ||
         why.reason == Reason::pod_unknown || why.reason == Reason::identity_pending ||
         why.reason == Reason::destination_unknown;
}

Result<std::unique_ptr<hbone::Dialer::Attempt>> dial(const Services& services, const Dial& what,
                                                     hbone::Dialer::OnStream on_stream) {
  auto attempt = std::make_unique<SocketAttempt>(services, what, std::move(on_stream));
  KS_TRY(attempt->start());
  return std::unique_ptr<hbone::Dialer::Attempt>(std::move(attempt));
}

Result<std::unique_ptr<hbone::Pool::Pending>> open_tunnel(const Services& services,
                                                          const Target& target,
                                                          hbone::OnTunnel on_tunnel) {
  const hbone::PoolKey key{target.source->netns_cookie,
                           {target.destination.address, KS_HBONE_PORT},
                           target.source->identity,
                           target.destination_identity};
  hbone::TunnelRequest request{target.destination.to_string(), {}};
  request.headers.add("forwarded", forwarded_value(target));
  return services.tunnels.open(key, std::move(request), std::move(on_tunnel));
}

Result<std::unique_ptr<Connector::Attempt>> MeshConnector::connect(const Target& target,
                                                                   OnStream on_stream) {
  const ks_family family = target.destination.address.family();
  switch (target.way) {
    case Target::Way::kLocal:
      // The receiver may be at home on another worker: this one's stock of it opens as it is asked.
      return dial(services_,
                  {{target.receiver->uid, family, KS_ROLE_DIAL_DELIVER},
                   target.destination,
                   target.visible_client()},
                  carried(std::move(on_stream)));
    case Target::Way::kEgress:
      return dial(services_,
                  {{target.source->uid, family, KS_ROLE_DIAL_EGRESS}, target.destination},
                  carried(std::move(on_stream)));
    case Target::Way::kHbone:
      break;
  }
  auto attempt = std::make_unique<TunnelAttempt>();
  KS_TRY(attempt->start(services_, target, std::move(on_stream)));
  return std::unique_ptr<Attempt>(std::move(attempt));
}

}  // namespace keelson::proxy
