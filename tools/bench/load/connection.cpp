#include "connection.h"

#include <sys/epoll.h>
#include <time.h>

namespace keelson::load {

uint64_t now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void Connection::open() {
  reset();
  opened_ns_ = now_ns();
  state_ = State::kOpening;
  ended_ = Ended::kOpening;
  watched_events_ = 0;
  is_refused_ = transport_.open(surroundings_.address) == Io::kFailed;
  if (is_refused_)
    surroundings_.observer.on_refused(*this);
  else
    watch(transport_.wanted_events());
}

void Connection::on_ready() {
  if (state_ == State::kClosed) return;
  if (state_ == State::kOpening) {
    if (!finish_opening()) return;
    if (has_room()) surroundings_.observer.on_room(*this);
    return flush();
  }
  if (!output().empty()) flush();
  receive();
}

bool Connection::finish_opening() {
  const Io io = is_refused_ ? Io::kFailed : transport_.advance();
  if (io == Io::kAgain) {
    watch(transport_.wanted_events());
    return false;
  }
  if (io != Io::kDone) {
    end(transport_.error_kind());
    return false;
  }
  state_ = State::kOpen;
  ended_ = Ended::kUnserved;
  surroundings_.observer.on_opened(now_ns() - opened_ns_);
  if (waiting_since_ns_) {
    begin(*waiting_since_ns_);
    waiting_since_ns_.reset();
  }
  return true;
}

void Connection::receive() {
  do {
    const Transfer got = transport_.receive(surroundings_.buffer);
    if (got.io == Io::kAgain) break;
    if (got.io == Io::kFailed) return end(transport_.error_kind());
    if (got.io == Io::kEnd && retry()) return;
    if (got.io == Io::kEnd)
      return end(take_end() ? std::nullopt : std::optional(ErrorKind::kReset));
    surroundings_.observer.on_bytes(got.bytes);
    if (!take({surroundings_.buffer.data(), got.bytes})) return end(ErrorKind::kProtocol);
  } while (transport_.has_buffered());
  if (is_done()) return end(std::nullopt);
  if (has_room()) surroundings_.observer.on_room(*this);
  flush();
}

bool Connection::retry() {
  const auto since_ns = unanswered();
  const bool is_get = surroundings_.request.body_bytes == 0;
  if (ended_ != Ended::kServed || !since_ns || !is_get) return false;
  transport_.close();
  waiting_since_ns_ = since_ns;
  surroundings_.observer.on_retried();
  open();
  return true;
}

void Connection::start(uint64_t since_ns) {
  started_++;
  if (state_ == State::kOpen) return begin(since_ns);
  waiting_since_ns_ = since_ns;
  open();
}

bool Connection::has_room() const {
  if (surroundings_.is_connection_each) return state_ == State::kClosed;
  return state_ == State::kOpen && has_protocol_room();
}

void Connection::flush() {
  if (state_ != State::kOpen) return;
  uint32_t events = EPOLLIN;
  for (std::string_view bytes = output(); !bytes.empty(); bytes = output()) {
    const Transfer sent = transport_.send(bytes);
    if (sent.io != Io::kDone) {
      events |= EPOLLOUT;  // a broken connection shows when it is read
      break;
    }
    on_sent(sent.bytes);
  }
  watch(events);
}

// Requests without answer are lost with it.
void Connection::end(std::optional<ErrorKind> why) {
  bool has_lost = false;
  std::string_view text = "the other side ended it";
  if (why) text = transport_.error_text();
  each_outstanding([&](uint64_t since_ns) {
    surroundings_.observer.on_lost(since_ns, why.value_or(ErrorKind::kReset), text);
    has_lost = true;
  });
  if (why && !has_lost) surroundings_.observer.on_error(*why, text);
  waiting_since_ns_.reset();
  reset();
  transport_.close();
  state_ = State::kClosed;
  surroundings_.observer.on_closed(*this, ended_);
}

void Connection::each_outstanding(const std::function<void(uint64_t since_ns)>& visit) const {
  if (waiting_since_ns_) visit(*waiting_since_ns_);
  each_begun(visit);
}

void Connection::tell_answer(uint64_t since_ns, uint16_t status) {
  ended_ = Ended::kServed;
  surroundings_.observer.on_answer(since_ns, status);
}

void Connection::watch(uint32_t events) {
  if (events == watched_events_) return;
  epoll_event event{events, {this}};
  epoll_ctl(surroundings_.epoll, watched_events_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
            transport_.fd(), &event);
  watched_events_ = events;
}

}  // namespace keelson::load
