// RouteStatusWriter: keeps the statuses of all HTTPRoutes at the API server as they should be while
// this agent leads: reads one route, writes it if it says something else, one call at a time, at
// most ten a second, later and later while the server refuses or is away, and another one first
// where it refuses one. A write names the version
// that it was made from: whoever was faster is read again. What somebody else takes away is put
// back within ten minutes. Asks the time, never waits: the owner calls wake() at next_wake(), which
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
#include "status/route_status.h"

namespace keelson::status {

class RouteStatusWriter {
 public:
  struct Seams {
    rest::Client& client;
    const Clock& clock;
    kube::Backoff::Random random;
    std::function<bool()> is_leader;
    std::function<void()> on_schedule;
  };
  explicit RouteStatusWriter(Seams seams);

  // Of every route there is; one that is missing is gone. Only the leader's counts.
  void want(RouteStatuses wanted);

  std::optional<MonotonicTime> next_wake() const;
  void wake();
  // Why a status is not what it should be; of one route, if it is several.
  std::optional<Error> error() const;
  uint64_t writes() const noexcept { return writes_; }

 private:
  struct Work {
    RouteStatus wanted;
    std::optional<MonotonicTime> due;  // when to look at it; nothing: when `wanted` changes
    std::optional<Error> error;        // why it could not be written when it was last tried
  };

  void notice_lead();
  void read(const model::ObjectKey& key);
  void on_read(Result<rest::Answer> answer);
  void write(std::string patch);
  void on_written(Result<rest::Answer> answer);
  void settle();
  void look_again(std::chrono::milliseconds pause);
  void on_refused(const std::string& call, rest::Answer answer);
  void on_trouble(kube::ApiError why);
  void note_error(Error error);
  void end_call();

  Seams seams_;
  kube::Backoff backoff_;
  std::map<model::ObjectKey, Work> works_;
  bool leads_ = false;
  MonotonicTime quiet_until_;  // between calls, and while the server refuses
  std::unique_ptr<rest::Call> call_;
  model::ObjectKey key_;  // of the call
  RouteStatus judged_;    // what the call is made for
  uint64_t writes_ = 0;
};

}  // namespace keelson::status
