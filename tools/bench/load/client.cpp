#include "client.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <ostream>

#include "http1_connection.h"
#include "http2_connection.h"

namespace keelson::load {
namespace {

constexpr size_t kBufferBytes = 256u << 10;
constexpr size_t kOpeningMax = 64;  // below every listener's backlog
constexpr uint64_t kRetryNs = 50'000'000;
constexpr size_t kOtherFiles = 32;

uint64_t to_ns(double seconds) {
  return static_cast<uint64_t>(seconds * kNsPerSecond);
}

Result<void> allow_files(size_t count) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur >= count) return {};
  files.rlim_cur = std::min<rlim_t>(count, files.rlim_max);
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur >= count) return {};
  return fail(Reason::bad_usage, ErrorSource::kKernel,
              "--connections needs more open files than the hard limit of " +
                  std::to_string(files.rlim_max) + " (ulimit -Hn)");
}

}  // namespace

Client::Client(const Options& options, const SocketAddress& address, const TlsClient* tls,
               std::ostream& log)
    : options_(options),
      address_(address),
      request_(Request::make(options)),
      log_(log),
      buffer_(kBufferBytes),
      tally_(std::make_unique<Tally>()),
      tls_(tls) {}

Client::~Client() = default;

Result<void> Client::run(int stop) {
  KS_TRY(prepare(stop));
  if (!options_.is_connection_each) {
    KS_TRY(open_all());
  }
  is_running_ = true;
  measure();
  drain();
  is_running_ = false;
  give_up();
  hold();
  return {};
}

Result<void> Client::prepare(int stop) {
  KS_TRY(allow_files(options_.connections + kOtherFiles));
  prctl(PR_SET_TIMERSLACK, 1ul);  // 50 us otherwise
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_errno(Reason::internal, errno, "epoll_create1");
  stop_ = stop;
  if (stop_ >= 0) {
    epoll_event event{EPOLLIN, {nullptr}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_, &event) != 0)
      return fail_errno(Reason::internal, errno, "epoll_ctl");
  }
  surroundings_.emplace(Surroundings{address_, tls_, request_, options_.is_connection_each,
                                     options_.streams, epoll_.get(), buffer_, *this});
  for (size_t i = 0; i < options_.connections; i++) {
    if (options_.protocol == Protocol::kHttp1)
      connections_.push_back(std::make_unique<Http1Connection>(*surroundings_));
    else
      connections_.push_back(std::make_unique<Http2Connection>(*surroundings_));
  }
  return {};
}

// Before the clock starts: setting up is no part of what is measured.
Result<void> Client::open_all() {
  const uint64_t deadline = now_ns() + to_ns(options_.patience);
  auto next = connections_.begin();
  while (stops_ == 0 && now_ns() < deadline) {
    for (; next != connections_.end() && opening_ < kOpeningMax; ++next) open(**next);
    if (opening_ == 0) break;
    turn(deadline);
  }
  if (opened_ > 0) return {};
  const std::string& why = connections_.front()->error_text();
  return fail(Reason::connect_failed, ErrorSource::kUpstream,
              options_.url.authority + ": " + (why.empty() ? "no answer" : why));
}

void Client::open(Connection& connection) {
  opening_++;
  connection.open();
}

void Client::plan() {
  const uint64_t start = now_ns();
  window_ns_ = start + to_ns(options_.warmup);
  end_ns_ = window_ns_ + to_ns(options_.seconds);
  counted_left_ = options_.requests_max.value_or(std::numeric_limits<uint64_t>::max());
  if (!is_open_loop()) return;
  schedule_.emplace(start, options_.rate);
  due_total_ = schedule_->due_before(end_ns_);
  const uint64_t uncounted = schedule_->due_before(window_ns_);
  if (due_total_ - uncounted > counted_left_) due_total_ = uncounted + counted_left_;
}

void Client::measure() {
  plan();
  is_sending_ = true;
  for (const auto& connection : connections_) {
    if (connection->has_room()) on_room(*connection);
    connection->flush();
  }
  while (stops_ == 0 && !is_finished() && now_ns() < end_ns_) {
    issue_due();
    turn(end_ns_);
  }
  is_sending_ = false;
  end_ns_ = std::min(end_ns_, now_ns());
  if (stops_ > 0 && schedule_) due_total_ = std::min(due_total_, schedule_->due_before(end_ns_));
}

void Client::drain() {
  const uint64_t deadline = end_ns_ + to_ns(options_.patience);
  while (stops_ < 2 && (outstanding_ > 0 || started_ < due_total_) && now_ns() < deadline) {
    issue_due();
    turn(deadline);
  }
}

// What is without answer now has waited at least this long.
void Client::give_up() {
  const uint64_t now = now_ns();
  const auto count = [&](uint64_t since_ns) {
    if (since_ns >= window_ns_) tally_->on_timeout(now - std::min(since_ns, now));
  };
  for (const auto& connection : connections_) connection->each_outstanding(count);
  for (; started_ < due_total_; started_++) count(schedule_->due_ns(started_));
}

void Client::hold() {
  if (!options_.idle_hold) return;
  log_ << "holding" << std::endl;
  const int stops_before = stops_;
  const uint64_t until = now_ns() + to_ns(*options_.idle_hold);
  while (stops_ == stops_before && now_ns() < until) turn(until);
}

RunFacts Client::facts() const noexcept {
  const uint64_t window = end_ns_ > window_ns_ ? end_ns_ - window_ns_ : 0;
  return {static_cast<double>(window) / kNsPerSecond,
          is_open_loop() ? std::optional(options_.rate) : std::nullopt, opened_};
}

bool Client::is_finished() const {
  if (!options_.requests_max || outstanding_ > 0) return false;
  return is_open_loop() ? started_ >= due_total_ : counted_left_ == 0;
}

// --idle-hold: one request on each connection, then rest.
bool Client::may_use(const Connection& connection) const {
  return connection.has_room() && (!options_.idle_hold || connection.started() == 0);
}

void Client::start(Connection& connection, uint64_t since_ns) {
  started_++;
  outstanding_++;
  connection.start(since_ns);
}

void Client::on_room(Connection& connection) {
  if (is_open_loop()) return list(connection);
  while (is_sending_ && counted_left_ > 0 && may_use(connection)) {
    const uint64_t now = now_ns();
    if (now >= end_ns_) return;
    if (now >= window_ns_) counted_left_--;
    start(connection, now);
  }
}

// Open loop: requests are handed out by issue_due() alone, in their order.
void Client::list(Connection& connection) {
  if (connection.is_listed || !may_use(connection)) return;
  connection.is_listed = true;
  idle_.push_back(&connection);
}

// Sends all that is due, also when the kernel woke us late.
void Client::issue_due() {
  if (!schedule_ || idle_.empty() || started_ >= due_total_) return;
  const uint64_t due = std::min(due_total_, schedule_->due_before(now_ns() + 1));
  while (started_ < due && !idle_.empty()) {
    Connection& connection = *idle_.front();
    idle_.pop_front();
    connection.is_listed = false;
    if (!may_use(connection)) continue;
    start(connection, schedule_->due_ns(started_));
    unsent_.push_back(&connection);
    list(connection);  // HTTP/2: there may be room for more
  }
  for (Connection* connection : unsent_) connection->flush();
  unsent_.clear();
}

uint64_t Client::next_event_ns(uint64_t until_ns) const {
  if (!refused_.empty()) return 0;
  uint64_t next = until_ns;
  if (is_running_ && !retries_.empty()) next = std::min(next, retries_.front().at_ns);
  if (is_running_ && schedule_ && !idle_.empty() && started_ < due_total_)
    next = std::min(next, schedule_->due_ns(started_));
  return next;
}

// Waits for what comes first and handles it.
void Client::turn(uint64_t until_ns) {
  std::array<epoll_event, 256> events;
  const uint64_t next = next_event_ns(until_ns);
  const uint64_t now = now_ns();
  const uint64_t wait = next > now ? next - now : 0;
  const timespec timeout{static_cast<time_t>(wait / 1'000'000'000),
                         static_cast<long>(wait % 1'000'000'000)};
  const int count =
      epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  for (int i = 0; i < count; i++) {
    auto* connection = static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
    if (connection == nullptr)
      take_stop();
    else
      connection->on_ready();
  }
  std::vector<Connection*> refused;
  refused.swap(refused_);
  for (Connection* connection : refused) connection->on_ready();
  while (is_running_ && !retries_.empty() && retries_.front().at_ns <= now_ns()) {
    Connection& connection = *retries_.front().connection;
    retries_.pop_front();
    open(connection);
  }
}

void Client::take_stop() {
  signalfd_siginfo signal;
  if (read(stop_, &signal, sizeof signal) > 0) stops_++;
}

void Client::on_opened(uint64_t took_ns) {
  if (!options_.is_connection_each) opening_--;
  opened_++;
  tally_->on_connected(took_ns);
}

void Client::on_bytes(size_t count) {
  tally_->on_bytes(count);
}

void Client::on_answer(uint64_t since_ns, uint16_t status) {
  outstanding_--;
  if (!is_running_ || since_ns < window_ns_) return;  // given up, or warm-up
  const uint64_t now = now_ns();
  tally_->on_answer(now - since_ns, status, now <= end_ns_);
}

void Client::on_lost(uint64_t since_ns, ErrorKind why, std::string_view text) {
  outstanding_--;
  if (is_running_ && since_ns >= window_ns_) tally_->on_lost(why, text);
}

void Client::on_error(ErrorKind why, std::string_view text) {
  tally_->on_error(why, text);
}

void Client::on_retried() {
  if (!options_.is_connection_each) opening_++;
  tally_->retried++;
}

void Client::on_closed(Connection& connection, Ended ended) {
  if (options_.is_connection_each) return on_room(connection);
  if (ended == Ended::kOpening) opening_--;
  // One that never brought an answer would only fail again: at once would be a busy loop.
  if (ended == Ended::kServed && is_running_) return open(connection);
  retries_.push_back({now_ns() + kRetryNs, &connection});
}

void Client::on_refused(Connection& connection) {
  refused_.push_back(&connection);
}

}  // namespace keelson::load
