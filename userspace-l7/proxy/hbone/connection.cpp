#include "proxy/hbone/connection.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "proxy/hbone/limits.h"

namespace keelson::hbone {

using http::EndOfMessage;

Connection::Connection(const Environment& environment, Account account,
                       std::unique_ptr<tls::TlsStream> tls, h2::Role role,
                       const h2::Settings& settings)
    : Runnable(environment.scheduler, account.tenant),
      environment_(environment),
      budget_(std::move(account.budget)),
      peer_source_(role == h2::Role::kClient ? ErrorSource::kUpstream : ErrorSource::kDownstream),
      tls_(std::move(tls)),
      session_(role, settings, environment.blocks, *this),
      framed_(environment.blocks) {
  tls_->observe(this);
  alarm_ = environment_.alarms.make([this] {
    is_alarm_due_ = true;
    wake();
  });
  alarm_->start(kHandshakePatience);
  wake();
}

Connection::~Connection() {
  const Error gone{Reason::stream_reset, ErrorSource::kInternal, false, 0, "connection dropped"};
  for (const auto& [id, tunnel] : tunnels_) tunnel->take_error(gone, Tunnel::HeldBytes::kKeep);
  budget_->forget(*this);
}

void Connection::abort(Reason why) noexcept {
  failure_due_ = Error{why, ErrorSource::kInternal, false, 0, "aborted"};
  wake();
}

// ---- a turn -----------------------------------------------------------------------------------

size_t Connection::run(size_t budget_bytes) {
  if (state_ == State::kDone) return 0;
  size_t moved = 0;
  if (failure_due_) {
    // What policy cuts must not go on reading from our buffers.
    lose(*std::exchange(failure_due_, {}), Tunnel::HeldBytes::kDrop);
    return moved;
  }
  if (const auto worked = work(budget_bytes, moved); !worked)
    lose(worked.error(), Tunnel::HeldBytes::kKeep);
  else if (state_ == State::kClosing && is_shut_ && is_peer_ended_)
    finish(session_error_ ? &*session_error_ : nullptr);
  return moved;  // nothing of `this` after lose() and finish(): the owner may have destroyed it
}

Result<void> Connection::work(size_t budget_bytes, size_t& moved) {
  if (state_ == State::kHandshake) KS_TRY(advance_handshake());
  if (state_ != State::kHandshake) KS_TRY(receive(budget_bytes, moved));
  if (std::exchange(is_alarm_due_, false)) KS_TRY(take_alarm());
  if (state_ == State::kHandshake) return {};
  deliver();
  open_connection_window();
  KS_TRY(send(budget_bytes, moved));
  deliver();  // sending ends streams
  if (state_ == State::kOpen && is_retiring() && session_.open_streams() == 0) begin_close();
  if (state_ == State::kClosing) KS_TRY(finish_close());
  return {};
}

Result<void> Connection::advance_handshake() {
  is_begun_ = true;
  KS_ASSIGN(const auto progress, tls_->handshake());
  if (progress == tls::TlsStream::Progress::kWaiting) return {};
  state_ = State::kOpen;
  is_heard_ = false;
  alarm_->start(kPingInterval);
  start_expiry_alarm();
  on_established();
  return {};
}

// The handshake judged both certificates by the system's clock; from then on time is enough.
void Connection::start_expiry_alarm() {
  const WallTime end = std::min(tls_->context().not_after(), tls_->peer()->not_after);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - SystemClock().wall_now());
  expiry_alarm_ = environment_.alarms.make([this] {
    is_expired_ = true;
    on_expired();
  });
  expiry_alarm_->start(std::max(left, std::chrono::milliseconds(0)));
}

Result<void> Connection::receive(size_t budget_bytes, size_t& moved) {
  std::array<std::byte, kBlockBytes> buffer;
  while (can_read_ && !is_peer_ended_) {
    if (moved >= budget_bytes) {
      wake();
      return {};
    }
    const auto read = tls_->read(buffer);
    // Nobody needs the peer's close_notify once our own end has gone out.
    if (!read && state_ == State::kClosing) {
      is_peer_ended_ = true;
      return {};
    }
    if (!read) return Failure(read.error());
    can_read_ = !read->is_would_block();
    if (!can_read_) return {};
    if (read->is_eof()) return take_peer_end();
    moved += read->bytes;
    is_heard_ = true;
    if (state_ == State::kOpen) KS_TRY(take_input(std::span(buffer).first(read->bytes)));
  }
  return {};
}

Result<void> Connection::take_input(std::span<const std::byte> bytes) {
  const auto fed = session_.feed(bytes);
  if (fed) return {};
  // The peer shall read our GOAWAY, so the end is an orderly one towards it, but not for tunnels.
  break_session(fed.error());
  return {};
}

void Connection::break_session(Error why) {
  session_error_ = std::move(why);
  session_error_->source = peer_source_;
  lose_everything(*session_error_, Tunnel::HeldBytes::kKeep);
  begin_close();
}

Result<void> Connection::take_peer_end() {
  is_peer_ended_ = true;
  if (state_ == State::kClosing) return {};
  if (session_.open_streams() > 0) return peer_fails(Reason::hbone_session_ended);
  begin_close();
  return {};
}

Result<void> Connection::take_alarm() {
  switch (state_) {
    case State::kHandshake:
      return peer_fails(Reason::hbone_handshake_timeout);
    case State::kOpen:
      // Any byte is a sign of life: a PING's answer queues behind the data of a busy peer.
      if (is_asking_ && !is_heard_) return peer_fails(Reason::hbone_ping_timeout);
      ask_peer();
      return {};
    case State::kClosing:
      is_shut_ = is_peer_ended_ = true;  // it had its time
      return {};
    case State::kDone:
      return {};
  }
  return {};
}

void Connection::ask_peer() {
  is_asking_ = pings_answered_ == pings_sent_;
  if (is_asking_) {
    session_.ping();
    pings_sent_++;
  }
  is_asking_ = true;
  is_heard_ = false;
  alarm_->start(kPingPatience);
}

// ---- towards the peer -------------------------------------------------------------------------

Result<void> Connection::send(size_t budget_bytes, size_t& moved) {
  for (;;) {
    if (framed_.empty() && !is_shut_) KS_TRY(drain_session());
    if (framed_.empty()) return {};
    KS_ASSIGN(const size_t written, tls_->write(framed_));
    moved += written;
    if (!framed_.empty()) return {};  // the TLS stream will say when
    if (moved >= budget_bytes) {
      wake();
      return {};
    }
  }
}

Result<void> Connection::drain_session() {
  const auto drained = session_.drain(framed_, kFramedBytesMax);
  if (!drained && state_ != State::kOpen) return drained;
  if (!drained) {
    break_session(drained.error());
    return {};
  }
  if (!framed_.empty() || !session_.wants_write() || state_ != State::kOpen) return {};
  // The block pool is empty; whoever gives blocks back does not know that we wait for one.
  if (!memory_alarm_) memory_alarm_ = environment_.alarms.make([this] { wake(); });
  memory_alarm_->start(kMemoryRetry);
  return {};
}

// The connection's window opens on receipt, not when the tunnel's reader has read: one slow reader
// then stops only its own stream. Unless the tenant holds too much already; but a connection that
// itself holds next to nothing goes on even then.
void Connection::open_connection_window() noexcept {
  if (bytes_uncredited_ == 0) return;
  if (!budget_->has_room() && bytes_held_ >= kConnectionBytesMin) {
    budget_->wait(*this);
    return;
  }
  session_.credit_connection(std::exchange(bytes_uncredited_, 0));
}

// ---- the end ----------------------------------------------------------------------------------

void Connection::start_drain() {
  if (drain_ping_ != 0) return;
  session_.start_goaway();
  session_.ping();
  drain_ping_ = ++pings_sent_;
  wake();
}

void Connection::begin_close() {
  session_.goaway(session_error_ ? h2::ErrorCode::kProtocolError : h2::ErrorCode::kNoError);
  state_ = State::kClosing;
  alarm_->start(kClosePatience);
  wake();  // to send it
}

Result<void> Connection::finish_close() {
  if (is_shut_ || !framed_.empty() || session_.wants_write()) return {};
  KS_TRY(tls_->shutdown_write());
  is_shut_ = true;
  return {};
}

void Connection::lose(Error why, Tunnel::HeldBytes held) {
  const bool is_cut = held == Tunnel::HeldBytes::kDrop;
  // No tunnel was left: nobody cares how the peer goes.
  const bool is_orderly = state_ == State::kClosing && !session_error_ && !is_cut;
  if (session_error_ && !is_cut) why = *session_error_;
  lose_everything(why, held);
  tls_->reset(why.reason);
  deliver();
  finish(is_orderly ? nullptr : &why);
}

void Connection::lose_everything(const Error& why, Tunnel::HeldBytes held) {
  for (const auto& [id, tunnel] : std::exchange(tunnels_, {})) tunnel->take_error(why, held);
  bytes_held_ = 0;
  lose_streams(why);
}

void Connection::finish(const Error* why) {
  state_ = State::kDone;
  alarm_->stop();
  on_over(why);
}

Failure Connection::peer_fails(Reason why) const {
  return Failure(Error{why, peer_source_, false, 0, {}});
}

// ---- tunnels ----------------------------------------------------------------------------------

std::unique_ptr<Tunnel> Connection::make_tunnel(h2::StreamId stream, EndOfMessage end) {
  std::unique_ptr<Tunnel> tunnel(new Tunnel(*this, stream, environment_.blocks, budget_));
  if (end == EndOfMessage::kYes) tunnel->take_end();
  tunnels_[stream] = tunnel.get();
  return tunnel;
}

void Connection::reset_unprocessed(h2::StreamId stream, std::unique_ptr<Tunnel> tunnel) noexcept {
  if (tunnel && tunnel->connection_ != nullptr)
    release(*tunnel, h2::ErrorCode::kRefusedStream);
  else
    session_.reset(stream, h2::ErrorCode::kRefusedStream);
}

void Connection::on_tunnel_read(h2::StreamId stream, size_t bytes) noexcept {
  session_.credit(stream, bytes);
  bytes_held_ -= bytes;
  open_connection_window();
  if (session_.wants_write()) wake();
}

Result<size_t> Connection::write(h2::StreamId stream, BufferChain& from) {
  KS_ASSIGN(const size_t taken, session_.write_body(stream, from));
  if (taken > 0) wake();
  return taken;
}

Result<void> Connection::write_end(h2::StreamId stream) {
  wake();
  return session_.write_end(stream);
}

void Connection::release(Tunnel& tunnel, std::optional<h2::ErrorCode> reset_with) noexcept {
  if (reset_with) session_.reset(tunnel.id_, *reset_with);
  tunnels_.erase(tunnel.id_);
  bytes_held_ -= tunnel.inbound_.size();
  tunnel.detach();
  wake();
}

Result<void> Connection::accept(Tunnel& tunnel, http::HeaderList headers) {
  http::MessageHead head;
  head.version = http::Version::kHttp2;
  head.status = 200;
  head.headers = std::move(headers);
  wake();
  return session_.respond(tunnel.id_, head, EndOfMessage::kNo);
}

void Connection::refuse(Tunnel& tunnel, uint16_t status) {
  answer_refused(tunnel.id_, status);
  release(tunnel, {});
}

void Connection::answer_refused(h2::StreamId stream, uint16_t status) {
  http::MessageHead head;
  head.version = http::Version::kHttp2;
  head.status = status;
  // Error: the peer has given up; nobody wants the answer.
  [[maybe_unused]] const auto refused = session_.refuse(stream, head);
  wake();
}

Tunnel* Connection::find(h2::StreamId stream) noexcept {
  const auto found = tunnels_.find(stream);
  return found == tunnels_.end() ? nullptr : found->second;
}

// ---- h2::Sink, from inside feed() and drain() ---------------------------------------------------

void Connection::on_head(h2::StreamId stream, http::MessageHead head, EndOfMessage end) {
  on_request_or_answer(stream, std::move(head), end);
}

void Connection::on_body(h2::StreamId stream, std::span<const std::byte> bytes) {
  bytes_uncredited_ += bytes.size();
  Tunnel* tunnel = find(stream);
  if (tunnel == nullptr) return session_.credit(stream, bytes.size());  // being reset
  if (tunnel->take(bytes)) {
    bytes_held_ += bytes.size();
    return;
  }
  // Not buffer_pool_empty, which readers take for something that passes.
  const Error empty{Reason::stream_reset, ErrorSource::kInternal, true, 0,
                    "no buffer for a tunnel"};
  session_.reset(stream, h2::ErrorCode::kEnhanceYourCalm);
  bytes_held_ -= tunnel->bytes_held();
  tunnels_.erase(stream);
  tunnel->take_error(empty, Tunnel::HeldBytes::kDrop);
}

void Connection::on_end(h2::StreamId stream, http::HeaderList) {
  if (Tunnel* tunnel = find(stream)) tunnel->take_end();
}

void Connection::on_reset(h2::StreamId stream, h2::ErrorCode code) {
  Error why{Reason::stream_reset, peer_source_, false, 0,
            "RST_STREAM " + std::to_string(static_cast<uint32_t>(code))};
  // Not processed at all (RFC 9113 section 8.7); nghttp2 says the same of streams that a GOAWAY
  // leaves out.
  if (code == h2::ErrorCode::kRefusedStream) {
    why.reason = Reason::h2_streams_exhausted;
    why.retryable = true;
  }
  Tunnel* tunnel = find(stream);
  if (tunnel == nullptr) return on_stream_lost(stream, why);
  bytes_held_ -= tunnel->bytes_held();
  tunnels_.erase(stream);
  tunnel->take_error(why, Tunnel::HeldBytes::kKeep);
}

void Connection::on_closed(h2::StreamId stream) {
  Tunnel* tunnel = find(stream);
  if (tunnel == nullptr)
    return on_stream_lost(
        stream, Error{Reason::stream_reset, peer_source_, false, 0, "ended without an answer"});
  bytes_held_ -= tunnel->bytes_held();
  tunnels_.erase(stream);
  tunnel->detach();
}

void Connection::on_writable(h2::StreamId stream) {
  if (Tunnel* tunnel = find(stream)) tunnel->take_room();
}

void Connection::on_goaway(h2::StreamId, h2::ErrorCode) {
  on_peer_goaway();
}

void Connection::on_ping_answered() {
  if (pings_answered_ == pings_sent_) return;  // nobody asked
  pings_answered_++;
  if (drain_ping_ != 0 && pings_answered_ == drain_ping_) session_.finish_goaway();
  if (pings_answered_ != pings_sent_ || state_ != State::kOpen) return;
  is_asking_ = false;
  alarm_->start(kPingInterval);
}

}  // namespace keelson::hbone
