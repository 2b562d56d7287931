#include "proxy/hbone/client_connection.h"

#include <utility>

namespace keelson::hbone {
namespace {

h2::Settings client_settings() {
  h2::Settings settings;
  settings.stream_window_bytes = kStreamWindowBytes;
  settings.connection_window_bytes = kConnectionWindowBytes;
  settings.header_list_bytes_max = kAnswerHeaderBytesMax;
  settings.stream_send_bytes_max = kTunnelSendBytesMax;
  return settings;
}

Failure refused(uint16_t status) {
  const auto reason = [&] {
    switch (status) {
      case 400:
        return Reason::hbone_wrong_address;
      case 401:
        return Reason::hbone_denied_by_peer;
      case 503:
        return Reason::connect_refused;
      default:
        return Reason::hbone_unexpected_answer;
    }
  }();
  return fail(reason, ErrorSource::kUpstream, "CONNECT answered " + std::to_string(status));
}

}  // namespace

Result<std::unique_ptr<ClientConnection>> ClientConnection::start(Parts parts, Owner& owner) {
  const Environment& environment = parts.environment;
  KS_ASSIGN(auto tls, tls::TlsStream::connect({std::move(parts.context), std::move(parts.lower),
                                               environment.blocks, environment.signer},
                                              std::move(parts.expected)));
  return std::unique_ptr<ClientConnection>(
      new ClientConnection(environment, std::move(parts.account), std::move(tls), owner));
}

ClientConnection::ClientConnection(const Environment& environment, Account account,
                                   std::unique_ptr<tls::TlsStream> tls, Owner& owner)
    : Connection(environment, std::move(account), std::move(tls), h2::Role::kClient,
                 client_settings()),
      owner_(owner),
      answer_alarm_(environment.alarms.make([this] {
        overdue_before_ = period_;
        wake();
      })),
      idle_alarm_(environment.alarms.make([this] { retire(); })) {
  idle_alarm_->start(kIdleRelease);
}

bool ClientConnection::takes_tunnels() const noexcept {
  return !is_retired_ && state() == State::kOpen &&
         streams() < std::min(kClientTunnelsMax, session().peer_streams_max());
}

Result<h2::StreamId> ClientConnection::open(const TunnelRequest& request, OnTunnel on_tunnel) {
  if (!takes_tunnels())
    return Failure(Error{Reason::h2_streams_exhausted, ErrorSource::kUpstream, true, 0, {}});
  http::MessageHead head;
  head.version = http::Version::kHttp2;
  head.method = "CONNECT";
  head.authority = request.authority;
  head.headers = request.headers;
  KS_ASSIGN(const h2::StreamId stream, session().open(head, http::EndOfMessage::kNo));
  openings_.emplace(stream, Opening{std::move(on_tunnel), period_});
  streams_seen_++;
  idle_alarm_->stop();
  if (!answer_alarm_->is_running()) start_answer_alarm();
  wake();
  return stream;
}

void ClientConnection::cancel(h2::StreamId stream) noexcept {
  if (openings_.erase(stream) > 0) {
    session().reset(stream, h2::ErrorCode::kCancel);
    wake();
    return;
  }
  // Answered, but not told yet: dropping the tunnel resets it.
  std::erase_if(answers_, [&](const Answer& answer) { return answer.stream == stream; });
}

void ClientConnection::retire() noexcept {
  is_retired_ = true;
  wake();
}

// ---- what the session says --------------------------------------------------------------------

void ClientConnection::on_request_or_answer(h2::StreamId stream, http::MessageHead head,
                                            http::EndOfMessage end) {
  if (head.status < 200 || !openings_.contains(stream)) return;
  if (head.status == 200) return answer(stream, make_tunnel(stream, end));
  session().reset(stream, h2::ErrorCode::kCancel);
  answer(stream, refused(head.status));
}

void ClientConnection::on_stream_lost(h2::StreamId stream, const Error& why) {
  if (openings_.contains(stream)) answer(stream, Failure(why));
}

void ClientConnection::on_peer_goaway() {
  is_retired_ = true;
  is_room_news_ = true;
}

void ClientConnection::lose_streams(const Error& why) {
  while (!openings_.empty()) answer(openings_.begin()->first, Failure(why));
  // Tunnels that were granted but not handed over are lost like any other: read() will tell.
}

void ClientConnection::answer(h2::StreamId stream, Result<std::unique_ptr<Tunnel>> result) {
  const auto opening = openings_.find(stream);
  answers_.push_back({stream, std::move(opening->second.on_tunnel), std::move(result)});
  openings_.erase(opening);
}

// ---- what the owner hears, in this connection's turn --------------------------------------------

void ClientConnection::on_established() {
  owner_.on_established(*this);
}

void ClientConnection::deliver() {
  if (const uint64_t before = std::exchange(overdue_before_, 0); before > 0) check_answers(before);
  while (!answers_.empty()) {
    Answer first = std::move(answers_.front());
    answers_.erase(answers_.begin());
    first.on_tunnel(std::move(first.result));
  }
  const bool has_room_again = streams() < streams_seen_;
  streams_seen_ = streams();
  if (streams_seen_ == 0 && !idle_alarm_->is_running()) idle_alarm_->start(kIdleRelease);
  if (std::exchange(is_room_news_, false) || has_room_again) owner_.on_room(*this);
}

void ClientConnection::on_over(const Error* why) {
  owner_.on_finished(*this, why);
}

// An opening gets between one and two periods: no clock, and one alarm for all of them.
void ClientConnection::start_answer_alarm() {
  period_++;
  answer_alarm_->start(kAnswerPatience);
}

// `before`: the period in which the alarm rang; another may have begun since.
void ClientConnection::check_answers(uint64_t before) {
  while (!openings_.empty() && openings_.begin()->second.period < before) {
    const h2::StreamId stream = openings_.begin()->first;
    session().reset(stream, h2::ErrorCode::kCancel);
    answer(stream, fail(Reason::hbone_answer_timeout, ErrorSource::kUpstream, "CONNECT"));
  }
  if (!openings_.empty() && !answer_alarm_->is_running()) start_answer_alarm();
}

}  // namespace keelson::hbone
