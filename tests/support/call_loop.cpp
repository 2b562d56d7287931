#include "support/call_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "support/netns_thread.h"

namespace keelson::test {

std::string CallTally::text() const {
  return fmt::format(
      "{} succeeded, {} refused, {} reset, {} cut short, {} timed out, {} corrupted; last: {}",
      succeeded, refused, reset, cut_short, timed_out, corrupted, last_failure);
}

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

}  // namespace

void make_call(const Call& call, CallTally& tally) {
  const auto start = steady_clock::now();
  const auto failed = [&](size_t& count, const char* where, int error) {
    const milliseconds took = since(start);
    ++count;
    tally.last_failure =
        fmt::format("{}: {} after {} ms", where, std::strerror(error), took.count());
  };
  const Connection connection = connect_here(call.to, {.source = {}, .patience = call.patience});
  if (!connection.is_open()) return failed(tally.refused, "connect", connection.error);
  // Whichever call comes first gets the error of a reset; later ones see an end like any other.
  if (!connection.send(call.request) && errno == ECONNRESET)
    return failed(tally.reset, "send", ECONNRESET);
  std::string answer;
  const std::string wanted = call.banner + call.request;
  const int error = connection.receive_exactly(wanted.size(), answer, call.patience);
  if (error == ENODATA) return failed(tally.cut_short, "read", error);
  if (error == ETIMEDOUT) return failed(tally.timed_out, "read", error);
  if (error != 0) return failed(tally.reset, "read", error);
  if (answer != wanted) return failed(tally.corrupted, "answer", EBADMSG);
  ++tally.succeeded;
}

CallLoop::CallLoop(const std::string& netns_path, Call call) : call_(std::move(call)) {
  thread_ = std::thread([this, netns_path] { run(netns_path); });
}

CallLoop::~CallLoop() {
  if (thread_.joinable()) stop();
}

void CallLoop::run(const std::string& netns_path) {
  enter_namespace(netns_path);
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    CallTally tally = tally_;
    lock.unlock();
    const auto start = steady_clock::now();
    make_call(call_, tally);
    lock.lock();
    tally_ = std::move(tally);
    longest_ = std::max(longest_, since(start));
    ended_.wait_for(lock, call_.pause, [this] { return is_ending_; });
  }
}

CallTally CallLoop::tally() const {
  std::lock_guard lock(mutex_);
  return tally_;
}

milliseconds CallLoop::take_longest() {
  std::lock_guard lock(mutex_);
  return std::exchange(longest_, milliseconds{0});
}

CallTally CallLoop::stop() {
  {
    std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  ended_.notify_one();
  thread_.join();
  return tally();
}

}  // namespace keelson::test
