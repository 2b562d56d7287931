#include "serving/http_connection.h"

#include <algorithm>
#include <utility>

#include "http/h1/connection.h"
#include "http/h1/writer.h"

namespace keelson::serving {
namespace {

using http::h1::BodyKind;
using http::h1::Persistence;

constexpr size_t kDiscardBytesMax = 256u << 10;  // read and dropped while closing

http::h1::Limits parser_limits(const HttpLimits& limits) {
  http::h1::Limits parser;
  parser.head_bytes = limits.head_bytes_max;
  parser.target_bytes = std::min(parser.target_bytes, limits.head_bytes_max);
  return parser;
}

http::MessageHead head_of(const Response& response) {
  http::MessageHead head;
  head.status = static_cast<uint16_t>(response.status);
  head.headers.add("content-type", response.content_type);
  head.headers.add("cache-control", "no-store");
  head.headers.add("x-content-type-options", "nosniff");
  if (response.status == 405) head.headers.add("allow", response.allow);
  if (response.retry_after.count() > 0)
    head.headers.add("retry-after", std::to_string(response.retry_after.count()));
  if (response.stream == nullptr) head.content_length = response.body.size();
  return head;
}

}  // namespace

HttpConnection::HttpConnection(io::EventLoop& loop, std::unique_ptr<io::ByteStream> stream,
                               Surface surface, IpAddress client, Handler& handler, BlockPool& pool,
                               const HttpLimits& limits, std::function<void()> schedule)
    : stream_(std::move(stream)),
      surface_(surface),
      client_(client),
      handler_(handler),
      limits_(limits),
      schedule_(std::move(schedule)),
      parser_(http::h1::Parser::Role::kRequests, parser_limits(limits)),
      input_(pool),
      output_(pool),
      chunk_(pool),
      deadline_(loop, [this] {
        is_late_ = true;
        schedule_();
      }) {
  stream_->observe(this);
  set_deadline(limits_.request);
}

HttpConnection::~HttpConnection() {
  stream_->observe(nullptr);
}

void HttpConnection::set_deadline(std::chrono::milliseconds delay) {
  is_late_ = false;
  deadline_.start(delay);
}

bool HttpConnection::work() {
  if (is_late_) return false;  // destroying the stream resets it: the client sees no clean end
  for (;;) {
    const State before = state_;
    const bool alive = state_ == State::kReading     ? work_reading()
                       : state_ == State::kAwaiting  ? work_awaiting()
                       : state_ == State::kAnswering ? work_answering()
                                                     : work_closing();
    if (!alive) return false;
    if (state_ == before) return true;  // waiting: for bytes, for room, or for the stream
  }
}

bool HttpConnection::work_reading() {
  for (;;) {
    if (!feed()) return true;  // answered: the state has changed
    bool progressed = false;
    if (!read_more(progressed)) return false;
    if (progressed) continue;
    if (!is_over_) return true;
    if (!parser_.is_between_messages()) return false;
    state_ = State::kClosing;
    return true;
  }
}

// Returns false when the connection broke.
bool HttpConnection::read_more(bool& progressed) {
  const auto result = io::read_into(*stream_, input_);
  if (!result) return false;
  progressed = result->is_data();
  is_over_ = is_over_ || result->is_eof();
  if (progressed && !in_request_ && state_ == State::kReading) {
    in_request_ = true;
    set_deadline(limits_.request);
  }
  return true;
}

// Gives the parser what there is. False: a request is complete or refused, and is being answered.
bool HttpConnection::feed() {
  while (!input_.empty()) {
    const auto taken = parser_.feed(input_.front(), *this);
    if (!taken) {
      refuse(http::h1::status_for(taken.error().reason), taken.error().reason);
      return false;
    }
    input_.consume(*taken);
    if (has_head_ && refuses_body_) {
      refuse(413, Reason::bad_usage);
      return false;
    }
    if (parser_.is_complete()) {
      answer();
      return false;
    }
  }
  return true;
}

void HttpConnection::on_head(http::MessageHead& head, http::h1::BodyKind body) {
  head_ = std::move(head);
  has_head_ = true;
  refuses_body_ =
      body == http::h1::BodyKind::kChunked || body == http::h1::BodyKind::kTunnel ||
      (body == http::h1::BodyKind::kLength &&
       head_.content_length.value_or(limits_.body_bytes_max + 1) > limits_.body_bytes_max);
}

void HttpConnection::on_body(std::span<const std::byte> bytes) {
  refuses_body_ |= body_.size() + bytes.size() > limits_.body_bytes_max;
  if (!refuses_body_) body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void HttpConnection::on_end(http::HeaderList&) {}

void HttpConnection::answer() {
  keep_alive_ = parser_.info().keeps_alive;
  auto request = parse_target(head_.target);
  if (!request) {
    refuse(400, request.error().reason);
    return;
  }
  request->surface = surface_;
  request->method = head_.method;
  request->body = std::move(body_);
  if (head_.headers.count("authorization") == 1)
    request->authorization = *head_.headers.first("authorization");
  Response response = handler_.handle(*request);
  if (response.pending == nullptr) return begin(std::move(response));
  pending_ = std::move(response.pending);
  pending_->set_wake(schedule_);
  set_deadline(limits_.pending);
  state_ = State::kAwaiting;
}

bool HttpConnection::work_awaiting() {
  if (auto response = pending_->take()) {
    pending_.reset();
    begin(std::move(*response));
    return true;
  }
  return watch_for_end() && !is_over_;  // as with a stream: nothing else would tell that it is gone
}

// Where the next request would begin is unknown after this one, so the connection ends.
void HttpConnection::refuse(int status, Reason reason) {
  keep_alive_ = false;
  begin(refusal(status, reason));
}

void HttpConnection::begin(Response response) {
  response_ = std::move(response);
  const bool is_head = head_.method == "HEAD";
  const bool is_old = head_.version == http::Version::kHttp10;
  chunked_ = response_.stream != nullptr && !is_old;
  if (response_.stream != nullptr && is_old) keep_alive_ = false;  // the end is the close
  const BodyKind body = is_head                       ? BodyKind::kNone
                        : response_.stream == nullptr ? BodyKind::kLength
                        : chunked_                    ? BodyKind::kChunked
                                                      : BodyKind::kUntilClose;
  const Persistence persistence = !keep_alive_ ? Persistence::kClose
                                  : is_old     ? Persistence::kKeepAlive
                                               : Persistence::kDefault;
  const bool written =
      http::h1::write_head(output_, head_of(response_), body, persistence).has_value();
  if (!written) keep_alive_ = false;
  body_sent_ = 0;
  body_done_ = is_head || !written;
  if (is_head) response_.stream.reset();
  if (response_.stream != nullptr) {
    response_.stream->set_wake(schedule_);
    deadline_.stop();
  } else {
    set_deadline(limits_.stalled);
  }
  state_ = State::kAnswering;
}

bool HttpConnection::work_answering() {
  for (;;) {
    const bool added = fill_output();
    const size_t before = output_.size();
    if (before > 0) {
      const auto written = stream_->write(output_);
      if (!written) return false;
      if (*written > 0 && response_.stream == nullptr) set_deadline(limits_.stalled);
    }
    if (!output_.empty()) break;  // no room: on_writable() comes
    if (body_done_) return finish_answer();
    if (!added && before == 0) break;  // the stream has nothing: its wake comes
  }
  return watch_for_end();
}

// Moves a part of the answer's body to the output. True when something was added.
bool HttpConnection::fill_output() {
  const size_t before = output_.size();
  while (!body_done_ && output_.size() < limits_.output_bytes_max) {
    if (response_.stream == nullptr) {
      const std::string_view rest = std::string_view(response_.body).substr(body_sent_);
      const auto part = rest.substr(0, limits_.output_bytes_max - output_.size());
      if (!output_.append(part)) break;  // the pool is empty: what is queued goes first
      body_sent_ += part.size();
      body_done_ = body_sent_ == response_.body.size();
      continue;
    }
    const auto line = response_.stream->next();
    if (line) {
      if (append_line(*line)) continue;
      keep_alive_ = false;  // no memory: the body ends here, without the last chunk
      body_done_ = true;
      break;
    }
    if (!response_.stream->is_finished()) break;
    body_done_ = true;
    if (chunked_ && !http::h1::write_last_chunk(output_, nullptr)) keep_alive_ = false;
  }
  return output_.size() > before;
}

bool HttpConnection::append_line(const std::string& line) {
  if (!chunked_) return output_.append(line);
  const bool added = chunk_.append(line) && http::h1::write_chunk(output_, chunk_, chunk_.size());
  chunk_.clear();
  return added;
}

bool HttpConnection::finish_answer() {
  response_ = {};
  head_.clear();
  body_.clear();
  has_head_ = refuses_body_ = false;
  if (!keep_alive_) {
    if (!stream_->shutdown_write()) return false;
    set_deadline(limits_.closing);
    state_ = State::kClosing;
    return true;
  }
  parser_.next();
  in_request_ = !input_.empty();
  set_deadline(in_request_ ? limits_.request : limits_.idle);
  state_ = State::kReading;
  return true;
}

// While an answer is on its way the client may go away, which ends a stream nobody reads any more.
// More requests may come too: they wait in `input_` as far as its bound goes, then in the kernel.
bool HttpConnection::watch_for_end() {
  while (!is_over_ && input_.size() < limits_.head_bytes_max) {
    bool progressed = false;
    if (!read_more(progressed)) return false;
    if (!progressed) break;
  }
  // A client may close its sending side and still read what there is, but not wait for more: it
  // may as well be gone, and without a write nothing would tell.
  const bool waits_for_more = response_.stream != nullptr && output_.empty() && !body_done_;
  return !(is_over_ && waits_for_more);
}

// A close with unread input would make the kernel reset the connection, and the client might lose
// the answer; so read until its end, within bounds.
bool HttpConnection::work_closing() {
  if (!stream_->shutdown_write()) return false;
  input_.clear();
  while (!is_over_ && discarded_bytes_ < kDiscardBytesMax) {
    bool progressed = false;
    if (!read_more(progressed)) return false;
    discarded_bytes_ += input_.size();
    input_.clear();
    if (!progressed && !is_over_) return true;
  }
  stream_->close_orderly();
  return false;
}

}  // namespace keelson::serving
