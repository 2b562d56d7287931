#include "proxy/downstream/http_connection.h"

#include "base/limits.h"
#include "io/tcp_stream.h"

namespace keelson::proxy {

Result<std::unique_ptr<HttpConnection>> HttpConnection::start(
    const Services& services, std::shared_ptr<const config::LocalPod> pod, const Capture& capture,
    io::Socket socket) {
  keep_alive(socket.fd());
  KS_ASSIGN(auto stream, io::TcpStream::open(services.loop, std::move(socket)));
  return std::make_unique<HttpConnection>(services, std::move(pod), capture, std::move(stream));
}

HttpConnection::HttpConnection(const Services& services,
                               std::shared_ptr<const config::LocalPod> pod, const Capture& capture,
                               std::unique_ptr<io::ByteStream> stream)
    : Connection(services, services.scheduler.tenant(pod->ns), Path::kOutbound),
      origin_{std::move(pod), capture.client, capture.original, capture.service_id},
      pod_use_(services.pods.add(origin_.pod, services.config)),
      stream_(std::move(stream), services.blocks, [this] { wake(); }),
      patience_(services.alarms.make([this] { wake(); })) {
  record().source = origin_.pod->ns + "/" + origin_.pod->name;
  record().source_address = origin_.client_text;
  record().destination_address = origin_.original_text;
  if (capture.service) record().service = capture.service->ns + "/" + capture.service->name;
  wake();
}

HttpConnection::~HttpConnection() {
  account().buffered_bytes -= accounted_bytes_;
}

size_t HttpConnection::advance(size_t budget_bytes) {
  size_t bytes = 0;
  for (;;) {
    const Step step = take_step(budget_bytes - std::min(bytes, budget_bytes), bytes);
    if (step == Step::kGone) return bytes;
    if (step == Step::kWait) break;
    // Pipelined requests of one connection are not to keep the others waiting.
    if (bytes >= budget_bytes) {
      wake();
      break;
    }
  }
  end_turn();
  return bytes;
}

HttpConnection::Step HttpConnection::take_step(size_t budget_bytes, size_t& bytes) {
  if (is_closing_) return close(bytes);
  return exchange_ ? run_exchange(budget_bytes, bytes) : begin_exchange();
}

HttpConnection::Step HttpConnection::begin_exchange() {
  if (!account().may_buffer() && stream_.bytes_held() == 0) return starve();
  // The next request's answer only behind one that is sent: a client that does not read is not
  // served on credit.
  if (!stream_.flush()) return break_off(Reason::downstream_ended);
  if (stream_.has_unsent()) return Step::kWait;
  auto head = stream_.read_head();
  if (!head) {
    if (head.error().source != ErrorSource::kDownstream && stream_.codec().is_idle())
      return break_off(head.error().reason);  // went away between two requests
    return refuse_request(head.error());
  }
  if (*head) {
    patience_->stop();
    awaited_ = Awaited::kNothing;
    has_asked_ = true;
    has_looked_ = false;
    exchange_ = std::make_unique<Exchange>(services(), origin_, stream_, std::move(**head),
                                           [this] { wake(); });
    return Step::kAgain;
  }
  if (stream_.codec().is_closing() || stream_.has_peer_ended()) {
    is_closing_ = true;
    return Step::kAgain;
  }
  return wait_for_head();
}

HttpConnection::Awaited HttpConnection::awaited() const noexcept {
  if (!stream_.codec().is_idle()) return Awaited::kRestOfHead;
  if (!is_to_end_) return Awaited::kNextRequest;
  return has_asked_ ? Awaited::kNothing : Awaited::kFirstRequest;
}

// Idle as long as most servers allow, but a head that has begun must come to its end.
HttpConnection::Step HttpConnection::wait_for_head() {
  const Awaited now = awaited();
  if (now == Awaited::kNothing) return end_idle();
  if (now != std::exchange(awaited_, now)) {
    patience_->start(now == Awaited::kNextRequest ? kHttpIdleTime : kHttpHeadTime);
    return Step::kWait;
  }
  if (patience_->is_running()) return Step::kWait;
  if (now == Awaited::kRestOfHead)
    return refuse_request({Reason::http_head_timeout, ErrorSource::kDownstream, false, 0, {}});
  return end_idle();
}

// The rule above the class.
HttpConnection::Step HttpConnection::end_idle() {
  if (!std::exchange(has_looked_, true)) {
    stream_.look_again();
    return Step::kAgain;
  }
  services().stats.count(Reason::http_idle);
  stream_.codec().close_idle();
  is_closing_ = true;
  return Step::kAgain;
}

HttpConnection::Step HttpConnection::run_exchange(size_t budget_bytes, size_t& bytes) {
  const bool is_short = !account().may_buffer() && held_bytes() == 0;
  const Exchange::Progress progress = is_short ? exchange_->poll() : exchange_->pump(budget_bytes);
  bytes += progress.bytes + kRunCostBytesMin;
  switch (progress.state) {
    case Exchange::State::kWaiting:
      return is_short ? starve() : watch_peer();
    case Exchange::State::kMore:
      wake();
      return Step::kWait;
    case Exchange::State::kDone:
    case Exchange::State::kAborted:
      return end_exchange(progress.state);
  }
  return Step::kWait;
}

// A client that went away needs no answer; one that only ended its side does.
HttpConnection::Step HttpConnection::watch_peer() {
  if (stream_.read_ahead()) return Step::kWait;
  exchange_->abort(Reason::downstream_ended);
  return end_exchange(Exchange::State::kAborted);
}

HttpConnection::Step HttpConnection::end_exchange(Exchange::State state) {
  log(exchange_->record(), exchange_->since());
  const Reason why = exchange_->record().reason;
  exchange_.reset();
  if (state == Exchange::State::kAborted) return break_off(why);
  is_closing_ = stream_.codec().is_closing();
  return Step::kAgain;
}

// Before an Exchange began: nobody else tells the client, or logs.
HttpConnection::Step HttpConnection::refuse_request(const Error& why) {
  record().reason = why.reason;
  record().detail = why.message();
  record().generation = services().config->generation();
  log(record(), services().clock.now());
  if (!stream_.codec().write_refusal(why.reason)) return break_off(why.reason);
  is_closing_ = true;
  return Step::kAgain;
}

HttpConnection::Step HttpConnection::break_off(Reason why) {
  stream_.cancel(why);
  services().connections.remove(*this);
  return Step::kGone;
}

// Sends the rest and the end, then reads to the client's: closing with unread input would reset
// what was just sent.
HttpConnection::Step HttpConnection::close(size_t& bytes) {
  if (!stream_.flush()) return break_off(Reason::downstream_ended);
  const bool is_ending = stream_.codec().is_closing();
  const uint64_t read_before = stream_.bytes_read();
  const auto ended = is_ending ? stream_.drain_input(kRelayBufferBytesMax) : Result<bool>(true);
  if (!ended) return break_off(Reason::downstream_ended);
  const uint64_t dropped = stream_.bytes_read() - read_before;
  bytes += dropped;
  if (dropped > 0 && !*ended) wake();            // there may be more, which nobody announces
  if (stream_.has_unsent()) return Step::kWait;  // as long as the client reads
  if (!*ended) {
    if (!is_lingering_) patience_->start(kHttpLingerTime);
    is_lingering_ = true;
    if (patience_->is_running()) return Step::kWait;
  }
  stream_.close_orderly();
  services().connections.remove(*this);
  return Step::kGone;
}

// A client that takes nothing for so long holds what others could use.
bool HttpConnection::is_stalled() {
  if (!stream_.has_unsent()) {
    stall_.reset();
    return false;
  }
  const bool has_moved =
      std::exchange(written_, stream_.bytes_written()) != stream_.bytes_written();
  if (stall_ && !has_moved) return !stall_->is_running();
  if (!stall_) stall_ = services().alarms.make([this] { wake(); });
  stall_->start(kHttpStallTime);
  return false;
}

void HttpConnection::end_turn() {
  if (!stream_.flush() || is_stalled()) {
    if (exchange_) {
      exchange_->abort(Reason::downstream_ended);
      log(exchange_->record(), exchange_->since());
      exchange_.reset();
    }
    break_off(Reason::downstream_ended);
    return;
  }
  const size_t now = held_bytes();
  account().buffered_bytes += now;
  account().buffered_bytes -= accounted_bytes_;
  accounted_bytes_ = now;
  bool is_starved = stream_.take_starved();
  if (exchange_) is_starved |= exchange_->take_starved();
  if (is_starved) starve();
}

HttpConnection::Step HttpConnection::starve() {
  services().stats.count(Reason::buffer_pool_empty);
  if (!starved_) starved_ = services().alarms.make([this] { wake(); });
  starved_->start(kStarvedRetry);
  return Step::kWait;
}

size_t HttpConnection::held_bytes() const noexcept {
  return stream_.bytes_held() + (exchange_ ? exchange_->bytes_held() : 0);
}

// ---- from outside -----------------------------------------------------------------------------

// Cut: a request under way is reset and logged; an idle connection just ends.
void HttpConnection::refuse(const Error& why) noexcept {
  if (!exchange_) {
    if (!stream_.has_unsent()) return stream_.close_orderly();
    return stream_.cancel(why.reason);
  }
  exchange_->abort(why.reason, record().policy);
  log(exchange_->record(), exchange_->since());
  exchange_.reset();
  stream_.cancel(why.reason);
}

void HttpConnection::rejudge(const ServingConfig& config) {
  // Its pod has left the mesh: what is under way goes on, but nobody dials for the next request any
  // more. The application connects again, past this proxy.
  if (!config.pod(origin_.pod->uid)) last_call();
  if (!exchange_) return;
  const auto denied = exchange_->policy_that_denies(config);
  // A receiver that left keeps what was established.
  if (denied && denied->reason != Reason::pod_unknown) cut(Reason::connections_cut, denied->name);
}

void HttpConnection::drain() {
  stream_.codec().close_after_answer();
}

void HttpConnection::last_call() {
  if (std::exchange(is_to_end_, true)) return;
  drain();
  wake();
}

}  // namespace keelson::proxy
