// Reflector: follows one kind at the API server: lists it (a streaming list where the server takes
// it, else pages), watches it from there, and hands on what changed: as a list again brings only
// what differs, and what vanished meanwhile as gone, its receiver never sees a resync. While the
// server is away everything known stays as it is. Asks the time, never waits: the owner calls
// wake() at next_wake(). Loop's thread, like the client's callbacks.
//
//   phase      under way            ends with
//   kIdle      nothing              start()
//   kListing   a page               last page -> kWatching; refused, broken -> kWaiting
//   kStreaming watch with initial   initial-events-end -> kWatching; refused -> kListing
//   kWatching  watch                ended, broken -> kWatching again from the last version, after
//                                   a delay; version gone (410) -> kWaiting, then a list
//   kWaiting   a delay              next_wake(): list or watch
//
// A kind that the server does not have is no error: it is looked for every half minute or so, in
// each version that we read. If it was there before, one look is not believed: an API server that
// starts may not know its custom kinds yet, and policies must not vanish for that.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "kube/api_error.h"
#include "kube/object_text.h"
#include "kube/resource.h"
#include "rest/client.h"
#include "source/object_source.h"

namespace keelson::source {

struct ReflectorState {
  std::string_view kind;
  size_t objects = 0;
  bool is_listed = false;   // known completely once, or known to be missing, or done without
  bool is_missing = false;  // the server does not have the kind
  bool is_watching = false;
  uint64_t relists = 0;  // lists after the first
  uint64_t watch_restarts = 0;
  std::map<Reason, uint64_t> errors;
  MonotonicTime heard_at;                      // the server's last word about the kind
  std::optional<MonotonicTime> failing_since;  // nothing but errors since then
  std::optional<Error> error;                  // the last of them; cleared by a success
};

class Reflector {
 public:
  struct Seams {
    rest::Client& client;
    const Clock& clock;
    kube::Backoff::Random random;
    std::string node;  // own-node kinds
  };
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void on_object(FileChange change) = 0;
    virtual void on_progress() = 0;  // state() or next_wake() may have changed
    virtual void on_back() = 0;      // the server answers again
  };

  Reflector(const kube::Resource& resource, Seams seams, Sink& sink);

  void start();
  void stop() noexcept;
  std::optional<MonotonicTime> next_wake() const noexcept { return wake_at_; }
  void wake();
  // The server answers others: what waits only because it did not goes on within a second.
  void hurry();
  bool is_listed() const noexcept { return state_.is_listed; }
  ReflectorState state() const;

 private:
  enum class Phase { kIdle, kListing, kStreaming, kWatching, kWaiting };
  struct Known {
    uint64_t content = 0;
    uint64_t round = 0;  // of the list that saw it last
  };

  void begin();
  void begin_list();
  void ask_page(std::string continue_token);
  void on_page(Result<rest::Answer> answer);
  void finish_list(std::string resource_version);
  void begin_watch(bool sends_initial_events);
  void on_open();
  void on_line(std::string line);
  void on_bookmark(const kube::WatchEvent& event);
  void on_end(Result<rest::Answer> answer);
  void fall_back_to_pages();

  void store(kube::ObjectText object);
  void forget(const kube::ObjectText& object);
  void forget_unseen();
  std::string file_of(const kube::ObjectText& object) const;

  void on_refused(const kube::ApiError& refusal);
  void on_missing();
  void do_without();
  void lose(const Error& error);  // no answer
  void fail(const Error& error, std::optional<std::chrono::seconds> retry_after = {});
  void wait(std::chrono::milliseconds delay);
  void heard();
  std::string call_name() const;

  const kube::Resource& resource_;
  Seams seams_;
  Sink& sink_;
  kube::Backoff backoff_;
  Phase phase_ = Phase::kIdle;
  std::unique_ptr<rest::Call> call_;
  std::optional<MonotonicTime> wake_at_;
  size_t version_ = 0;            // of the API, index of resource_.versions
  std::string resource_version_;  // to watch from; empty: list first
  int limit_;                     // objects a page
  unsigned lists_expired_ = 0;    // in a row
  unsigned times_forbidden_ = 0;  // in a row
  bool is_done_without_ = false;
  bool is_streaming_refused_ = false;
  bool is_open_ = false;  // the stream under way was taken
  bool is_away_ = false;  // the server's last word was none
  MonotonicTime opened_at_;
  size_t versions_missing_ = 0;  // in a row
  bool is_missing_doubted_ = false;
  uint64_t round_ = 0;
  std::unordered_map<std::string, Known> known_;  // by file name
  ReflectorState state_;
};

}  // namespace keelson::source
