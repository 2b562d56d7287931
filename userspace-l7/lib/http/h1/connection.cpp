#include "http/h1/connection.h"

#include <algorithm>

namespace keelson::http::h1 {
namespace {

// What write_body lets wait in front of drain().
size_t room_behind(const BufferChain& out) noexcept {
  return kHttpOutBytesMax - std::min(kHttpOutBytesMax, out.size());
}

size_t move_out(BufferChain& out, BufferChain& into, size_t bytes_max) {
  const size_t bytes = std::min(bytes_max, out.size());
  into.move_from(out, bytes);
  return bytes;
}

// Tells a connection what passes on its way to the real sink.
class HeadWatch final : public Sink {
 public:
  HeadWatch(Sink& sink, bool& has_request, bool& waits_for_continue) noexcept
      : sink_(sink), has_request_(has_request), waits_for_continue_(waits_for_continue) {}
  void on_head(MessageHead& head, BodyKind body) override {
    has_request_ = true;
    waits_for_continue_ = head.expects_continue;
    sink_.on_head(head, body);
  }
  void on_body(std::span<const std::byte> bytes) override {
    // A body that comes without waiting needs no 100 any more (RFC 9110 section 10.1.1).
    waits_for_continue_ = false;
    sink_.on_body(bytes);
  }
  void on_end(HeaderList& trailers) override {
    waits_for_continue_ = false;
    sink_.on_end(trailers);
  }

 private:
  Sink& sink_;
  bool& has_request_;
  bool& waits_for_continue_;
};

Failure out_of_order(const char* why) {
  return fail(Reason::http_bad_message, ErrorSource::kInternal, why);
}

}  // namespace

uint16_t status_for(Reason reason) noexcept {
  switch (reason) {
    case Reason::http_target_too_long:
      return 414;
    case Reason::http_expectation:
      return 417;
    case Reason::http_head_too_large:
    case Reason::http_too_many_headers:
      return 431;
    case Reason::http_transfer_encoding:
      return 501;
    case Reason::http_version_unsupported:
      return 505;
    case Reason::buffer_pool_empty:
      return 503;
    default:
      return 400;
  }
}

// ---- server ------------------------------------------------------------------------------------

Result<size_t> ServerConnection::feed(std::span<const std::byte> input, Sink& sink) {
  if (is_closing_) return input.size();
  HeadWatch watch(sink, has_request_, waits_for_continue_);
  auto taken = parser_.feed(input, watch);
  settle();
  return taken;
}

Result<void> ServerConnection::finish(Sink& sink) {
  if (is_closing_) return {};
  KS_TRY(parser_.finish(sink));
  may_persist_ = false;
  if (answer_ == Answer::kNone && !has_request_) is_closing_ = true;
  settle();
  return {};
}

void ServerConnection::close_after_answer() noexcept {
  (answer_ == Answer::kSending ? closes_next_ : may_persist_) = answer_ == Answer::kSending;
}

Result<void> ServerConnection::write_continue() {
  if (!waits_for_continue_ || answer_ != Answer::kNone) return {};
  waits_for_continue_ = false;
  MessageHead head;
  head.status = 100;
  return h1::write_head(out_, head, BodyKind::kNone);
}

Result<void> ServerConnection::write_informational(const MessageHead& head) {
  if (!has_request_ || answer_ != Answer::kNone || head.status / 100 != 1 || head.status == 101)
    return out_of_order("interim answer out of order");
  // RFC 9110 section 15.2: an HTTP/1.0 client would take it for the final answer.
  if (parser_.info().version == Version::kHttp10) return {};
  if (head.status == 100) return write_continue();
  return h1::write_head(out_, head, BodyKind::kNone);
}

BodyKind ServerConnection::choose_body(MessageHead& head, EndOfMessage end) const noexcept {
  const MessageInfo& request = parser_.info();
  if (head.status == 101 || (request.is_connect && head.status / 100 == 2))
    return BodyKind::kTunnel;
  if (request.is_head || head.status == 204 || head.status == 304) return BodyKind::kNone;
  if (end == EndOfMessage::kYes && !head.content_length) head.content_length = 0;
  if (head.content_length) return BodyKind::kLength;
  return request.version == Version::kHttp10 ? BodyKind::kUntilClose : BodyKind::kChunked;
}

Persistence ServerConnection::persistence() const noexcept {
  if (!may_persist_) return Persistence::kClose;
  return parser_.info().version == Version::kHttp10 ? Persistence::kKeepAlive
                                                    : Persistence::kDefault;
}

Result<void> ServerConnection::write_head(const MessageHead& head, EndOfMessage end) {
  const MessageInfo& request = parser_.info();
  if (!has_request_ || answer_ != Answer::kNone || head.is_request() ||
      (head.status < 200 && head.status != 101))
    return out_of_order("answer out of order");
  if (head.status == 101 && (!request.has_upgrade || !parser_.is_complete()))
    return fail(Reason::http_unexpected_upgrade, ErrorSource::kUpstream, "101 out of order");
  answer_head_ = head;
  if (head.status != 101) answer_head_.upgrade.clear();
  const BodyKind body = choose_body(answer_head_, end);
  is_tunnel_ = body == BodyKind::kTunnel;
  // A client that still waits for 100 may or may not send its body after this answer: nobody could
  // tell a body from the next request.
  // One that overtakes its request would close without having said so.
  if (!is_tunnel_ && (!request.keeps_alive || waits_for_continue_ || !parser_.is_complete() ||
                      body == BodyKind::kUntilClose))
    may_persist_ = false;
  KS_TRY(
      h1::write_head(out_, answer_head_, body, is_tunnel_ ? Persistence::kDefault : persistence()));
  body_writer_.begin(body, answer_head_.content_length.value_or(0));
  answer_ = Answer::kSending;
  if (is_tunnel_) parser_.begin_tunnel();
  if (end == EndOfMessage::kYes && !is_tunnel_) return write_end();
  return {};
}

Result<size_t> ServerConnection::write_body(BufferChain& body) {
  if (answer_ != Answer::kSending) return out_of_order("body without a head");
  return body_writer_.write(out_, body, room_behind(out_));
}

Result<void> ServerConnection::write_end(const HeaderList* trailers) {
  if (answer_ != Answer::kSending) return out_of_order("end without a head");
  KS_TRY(body_writer_.end(out_, trailers));
  answer_ = Answer::kSent;
  settle();
  return {};
}

Result<void> ServerConnection::write_refusal(Reason why) {
  if (answer_ != Answer::kNone) return out_of_order("refusal behind an answer");
  MessageHead head;
  head.status = status_for(why);
  head.content_length = 0;
  KS_TRY(h1::write_head(out_, head, BodyKind::kLength, Persistence::kClose));
  answer_ = Answer::kSent;
  may_persist_ = false;
  is_closing_ = true;
  return {};
}

// After a complete answer: the next request, or the end.
void ServerConnection::settle() noexcept {
  if (answer_ != Answer::kSent) return;
  if (is_tunnel_) {
    is_closing_ = parser_.is_complete();
    return;
  }
  if (!may_persist_ || !parser_.is_complete()) {
    is_closing_ = true;
    return;
  }
  answer_ = Answer::kNone;
  if (closes_next_) may_persist_ = false;
  has_request_ = false;
  waits_for_continue_ = false;
  parser_.next();
}

size_t ServerConnection::drain(BufferChain& into, size_t bytes_max) {
  return move_out(out_, into, bytes_max);
}

// ---- client ------------------------------------------------------------------------------------

Result<void> ClientConnection::write_head(const MessageHead& head, EndOfMessage end) {
  if (state_ != State::kIdle || !head.is_request()) return out_of_order("request out of order");
  is_connect_ = head.method == "CONNECT";
  BodyKind body = BodyKind::kChunked;
  if (is_connect_)
    body = BodyKind::kTunnel;
  else if (head.content_length)
    body = BodyKind::kLength;
  else if (end == EndOfMessage::kYes)
    body = BodyKind::kNone;
  KS_TRY(h1::write_head(out_, head, body));
  parser_.next({.to_head = head.method == "HEAD",
                .to_connect = is_connect_,
                .upgrade_requested = !head.upgrade.empty()});
  body_writer_.begin(body, head.content_length.value_or(0));
  state_ = State::kExchanging;
  request_sent_ = false;
  if (end == EndOfMessage::kYes && !is_connect_) return write_end();
  return {};
}

Result<size_t> ClientConnection::write_body(BufferChain& body) {
  if (state_ != State::kExchanging || request_sent_) return out_of_order("body without a head");
  // Before the 2xx nothing may follow a CONNECT: a server that refuses would read it as requests.
  if (is_connect_ && !is_tunnel_) return size_t{0};
  return body_writer_.write(out_, body, room_behind(out_));
}

Result<void> ClientConnection::write_end(const HeaderList* trailers) {
  if (state_ != State::kExchanging || request_sent_) return out_of_order("end without a head");
  KS_TRY(body_writer_.end(out_, trailers));
  request_sent_ = true;
  settle();
  return {};
}

Result<size_t> ClientConnection::feed(std::span<const std::byte> input, Sink& sink) {
  if (input.empty()) return size_t{0};
  // Bytes that answer nothing would be taken for the answer to somebody else's next request.
  if (state_ != State::kExchanging)
    return fail(Reason::http_unexpected_response, ErrorSource::kUpstream,
                "bytes without a request");
  auto taken = parser_.feed(input, sink);
  if (!taken) return taken;
  if (!is_tunnel_ && parser_.info().body == BodyKind::kTunnel) begin_tunnel();
  settle();
  if (state_ != State::kExchanging && *taken < input.size())
    return fail(Reason::http_unexpected_response, ErrorSource::kUpstream, "bytes behind an answer");
  return taken;
}

void ClientConnection::begin_tunnel() noexcept {
  is_tunnel_ = true;
  request_sent_ = false;  // of an Upgrade the request has ended; the opaque bytes begin
  body_writer_.begin(BodyKind::kTunnel, 0);
}

Result<void> ClientConnection::finish(Sink& sink) {
  if (state_ != State::kExchanging) {
    state_ = State::kClosing;
    return {};
  }
  KS_TRY(parser_.finish(sink));
  if (!parser_.is_complete())
    return fail(Reason::http_truncated, ErrorSource::kUpstream,
                "connection ended before an answer");
  if (!is_tunnel_ || request_sent_) state_ = State::kClosing;
  return {};
}

// After a complete answer. One that overtakes its request leaves a half-sent request behind.
void ClientConnection::settle() noexcept {
  if (state_ != State::kExchanging || !parser_.is_complete()) return;
  if (is_tunnel_) {
    if (request_sent_) state_ = State::kClosing;
    return;
  }
  state_ = request_sent_ && parser_.info().keeps_alive ? State::kIdle : State::kClosing;
}

size_t ClientConnection::drain(BufferChain& into, size_t bytes_max) {
  return move_out(out_, into, bytes_max);
}

}  // namespace keelson::http::h1
