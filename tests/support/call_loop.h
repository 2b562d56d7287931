// CallLoop: a client in a pod that makes one call after another, each on a new connection, and
// keeps count of how they ended. A call sends a request and wants the banner and the echo of a
// TcpServer. One thread of its own; tally() from any thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "support/tcp_peer.h"

namespace keelson::test {

struct CallTally {
  size_t succeeded = 0;
  size_t refused = 0;    // connect() failed
  size_t reset = 0;      // after connect(), before the whole answer
  size_t cut_short = 0;  // a clean end before the whole answer: nobody may ever see one
  size_t timed_out = 0;  // connected, and no answer
  size_t corrupted = 0;  // an answer, but not this one's
  std::string last_failure;

  size_t failed() const { return refused + reset + cut_short + timed_out + corrupted; }
  std::string text() const;
};

struct Call {
  Endpoint to;
  std::string request;
  std::string banner = "hello\n";
  std::chrono::milliseconds patience{10000};
  // Of a loop, after each call, however it ended. TIME_WAIT holds a client's port for 60 s and a
  // namespace has 28,232 of them: a loop that runs longer than that without a pause of 3 ms ends
  // with EADDRNOTAVAIL.
  std::chrono::milliseconds pause{0};
};

class CallLoop {
 public:
  CallLoop(const std::string& netns_path, Call call);
  ~CallLoop();
  CallLoop(const CallLoop&) = delete;
  CallLoop& operator=(const CallLoop&) = delete;

  CallTally tally() const;
  // The longest call, however it ended, since this was last asked. The one under way counts later.
  std::chrono::milliseconds take_longest();
  CallTally stop();  // after the call that is under way

 private:
  void run(const std::string& netns_path);

  const Call call_;
  mutable std::mutex mutex_;
  CallTally tally_;
  std::chrono::milliseconds longest_{0};
  bool is_ending_ = false;
  std::condition_variable ended_;
  std::thread thread_;
};

// One call from the calling thread's namespace, added to the tally.
void make_call(const Call& call, CallTally& tally);

}  // namespace keelson::test
