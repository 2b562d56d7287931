#include "support/call_loop.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "support/netns_thread.h"

namespace keelson::test {

std::string CallTally::text() const {
  return fmt::format(
      "{} succeeded, {} refused, {} reset, {} cut short, {} timed out, {} corrupted; last: {}",
      succeeded, refused, reset, cut_short, timed_out, corrupted, last_failure);
}

void make_call(const Call& call, CallTally& tally) {
  const auto start = std::chrono::steady_clock::now();
  const auto failed = [&](size_t& count, const char* where, int error) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    ++count;
    tally.last_failure =
        fmt::format("{}: {} after {} ms", where, std::strerror(error), took.count());
  };
  const Connection connection = connect_here(call.to, {.source = {}, .patience = call.patience});
  if (!connection.is_open()) return failed(tally.refused, "connect", connection.error);
  // A failure to send shows in the read: the banner of a server that is gone does not come.
  [[maybe_unused]] const bool is_sent = connection.send(call.request);
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
  CallTally tally;
  while (!is_ending_) {
    make_call(call_, tally);
    std::lock_guard lock(mutex_);
    tally_ = tally;
  }
}

CallTally CallLoop::tally() const {
  std::lock_guard lock(mutex_);
  return tally_;
}

CallTally CallLoop::stop() {
  is_ending_ = true;
  thread_.join();
  return tally();
}

}  // namespace keelson::test
