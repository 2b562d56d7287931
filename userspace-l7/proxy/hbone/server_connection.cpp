#include "proxy/hbone/server_connection.h"

#include <utility>

namespace keelson::hbone {
namespace {

h2::Settings server_settings() {
  h2::Settings settings;
  settings.stream_window_bytes = kStreamWindowBytes;
  settings.connection_window_bytes = kConnectionWindowBytes;
  settings.header_list_bytes_max = kRequestHeaderBytesMax;
  settings.streams_max = kServerTunnelsMax;
  settings.stream_send_bytes_max = kTunnelSendBytesMax;
  return settings;
}

}  // namespace

// ---- ConnectRequest ---------------------------------------------------------------------------

ConnectRequest::ConnectRequest(Authority authority, http::HeaderList headers,
                               tls::PeerIdentity peer, std::unique_ptr<Tunnel> tunnel) noexcept
    : authority_(std::move(authority)),
      headers_(std::move(headers)),
      peer_(std::move(peer)),
      tunnel_(std::move(tunnel)) {}

ConnectRequest::~ConnectRequest() {
  if (tunnel_) refuse(503);
}

bool ConnectRequest::is_gone() const noexcept {
  return tunnel_ && tunnel_->error_.has_value();
}

Result<std::unique_ptr<Tunnel>> ConnectRequest::accept(http::HeaderList headers) {
  KS_ASSERT(tunnel_);
  auto tunnel = std::move(tunnel_);
  if (tunnel->error_) return Failure(*tunnel->error_);
  KS_TRY(tunnel->connection_->accept(*tunnel, std::move(headers)));
  return tunnel;
}

void ConnectRequest::refuse(uint16_t status) noexcept {
  KS_ASSERT(tunnel_);
  if (!is_gone()) tunnel_->connection_->refuse(*tunnel_, status);
  tunnel_.reset();
}

// ---- ServerConnection -------------------------------------------------------------------------

Result<std::unique_ptr<ServerConnection>> ServerConnection::start(Parts parts, Handler& handler) {
  const Environment& environment = parts.environment;
  KS_ASSIGN(auto tls, tls::TlsStream::accept({std::move(parts.context), std::move(parts.lower),
                                              environment.blocks, environment.signer}));
  return std::unique_ptr<ServerConnection>(
      new ServerConnection(environment, std::move(parts.account), std::move(tls), handler));
}

ServerConnection::ServerConnection(const Environment& environment, Account account,
                                   std::unique_ptr<tls::TlsStream> tls, Handler& handler)
    : Connection(environment, std::move(account), std::move(tls), h2::Role::kServer,
                 server_settings()),
      handler_(handler) {}

void ServerConnection::drain() noexcept {
  is_drain_wanted_ = true;
  if (state() == State::kOpen) start_drain();
}

bool ServerConnection::is_retiring() const noexcept {
  return is_drained();
}

void ServerConnection::on_request_or_answer(h2::StreamId stream, http::MessageHead head,
                                            http::EndOfMessage end) {
  auto tunnel = head.method == "CONNECT" ? make_tunnel(stream, end) : nullptr;
  arrived_.push_back({stream, std::move(head), std::move(tunnel)});
}

void ServerConnection::on_established() {
  handler_.on_established(*this);
  if (is_drain_wanted_) start_drain();
}

void ServerConnection::deliver() {
  for (Arrived& arrived : std::exchange(arrived_, {})) hand_over(std::move(arrived));
}

void ServerConnection::hand_over(Arrived arrived) {
  if (is_expired()) {  // a peer that did not see our GOAWAY yet, or does not heed it
    reset_unprocessed(arrived.stream, std::move(arrived.tunnel));
    return handler_.on_refused(*this, Reason::certificate_expired);
  }
  if (!arrived.tunnel) {
    answer_refused(arrived.stream, 400);
    return handler_.on_refused(*this, Reason::hbone_not_connect);
  }
  auto authority = Authority::parse(arrived.head.authority);
  const bool is_bad = !authority;
  // A bad one becomes a request as well, because a request knows how to refuse.
  auto request = std::make_unique<ConnectRequest>(is_bad ? Authority() : std::move(*authority),
                                                  std::move(arrived.head.headers), *peer(),
                                                  std::move(arrived.tunnel));
  if (request->is_gone()) return;
  if (!is_bad) return handler_.on_connect(*this, std::move(request));
  request->refuse(400);
  handler_.on_refused(*this, Reason::hbone_bad_authority);
}

void ServerConnection::on_over(const Error* why) {
  handler_.on_finished(*this, why);
}

}  // namespace keelson::hbone
