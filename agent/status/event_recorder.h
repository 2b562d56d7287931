// EventRecorder: brings events to the API server (events.k8s.io/v1), each of a kind once: what
// happens again is counted in the series of the same object, at most every five minutes. Its name
// says what it is about, so that a restarted agent finds its own. Bounded: a burst of fifty, then
// one call a second; what no longer fits into the queue is dropped and counted. Events are for
// people and may be lost. Asks the time, never waits: the owner calls wake() at next_wake(), which
// may change whenever on_schedule is called. Agent loop only, like the client's callbacks.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "kube/api_error.h"
#include "rest/client.h"
#include "status/event.h"

namespace keelson::status {

class EventRecorder {
 public:
  struct Seams {
    rest::Client& client;
    const Clock& clock;
    kube::Backoff::Random random;
    std::function<void()> on_schedule;
  };
  EventRecorder(std::string node_name, Seams seams);

  void add(const Event& event);

  std::optional<MonotonicTime> next_wake() const;
  void wake();
  const std::optional<Error>& error() const noexcept { return error_; }  // of the last call
  uint64_t written() const noexcept { return written_; }
  uint64_t dropped() const noexcept { return dropped_; }

 private:
  struct Record {
    std::string name;  // of the object
    WallTime first, last;
    uint64_t count = 0;
    bool is_made = false;              // the object is there, or was
    std::optional<MonotonicTime> due;  // nothing: all is told
    MonotonicTime touched;
  };
  using Records = std::map<Event, Record>;

  bool make_room();
  void take_turn();
  void create(const Event& event, const Record& record);
  void count(const Event& event, const Record& record);
  void send(const char* method, std::string target, const char* content_type, std::string body);
  void on_answer(Result<rest::Answer> answer);
  void settle(Records::iterator at);
  void on_trouble(kube::ApiError why);

  const std::string node_name_;
  Seams seams_;
  kube::Backoff backoff_;
  Records records_;
  size_t waiting_ = 0;  // records that are due
  std::unique_ptr<rest::Call> call_;
  Event sent_;  // of the call
  uint64_t sent_count_ = 0;
  MonotonicTime free_at_;  // a call is one second of a budget; the burst is how far it runs ahead
  MonotonicTime quiet_until_;
  std::optional<Error> error_;
  uint64_t written_ = 0, dropped_ = 0;
};

}  // namespace keelson::status
