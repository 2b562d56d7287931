// Leadership: which of many agents does what one has to do for all, by a Lease
// (coordination.k8s.io/v1). The clocks of others are not believed: a lease has ended when nobody
// renewed it for its duration since it was first seen as it is. A leader that cannot renew stops in
// time by itself, so that no two lead at once. The more agents there are, the less often each
// looks, so that all of them together ask some ten times a second at most; a lease that seems to
// have ended is looked at again when that could be believed. Asks the time, never waits: the owner
// calls wake() at next_wake(). Agent loop only, like the client's callbacks. Makes no Lease:
// whoever installs the agents does, and one made here while they are uninstalled would be nobody's.
// Reference: Kubernetes "Leases"; what client-go's leaderelection does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "kube/api_error.h"
#include "rest/client.h"

namespace keelson::kube {

class Leadership {
 public:
  static constexpr std::chrono::seconds kDuration{30};
  static constexpr std::chrono::seconds kRenewInterval{10};

  struct Seams {
    rest::Client& client;
    const Clock& clock;
    Backoff::Random random;
    std::function<size_t()> candidates;  // how many agents there are
    std::function<void()> on_change;     // is_leader() or next_wake() may have changed
  };
  // `ns`, `name`: of the Lease. `identity`: of this agent; one that comes
  // again with it (the node's next agent) goes on with its lease at once.
  Leadership(std::string ns, std::string name, std::string identity, Seams seams);

  void start();
  bool is_leader() const noexcept;
  const std::optional<Error>& error() const noexcept { return error_; }

  std::optional<MonotonicTime> next_wake() const noexcept { return wake_at_; }
  void wake();

 private:
  void look();
  void on_lease(const std::string& body);
  bool is_held(const std::string& version, const std::string& renewed);
  void take(std::string lease);
  void on_taken(Result<rest::Answer> answer);
  void on_trouble(Error error, std::optional<std::chrono::seconds> retry_after);
  void sleep(std::chrono::milliseconds time);
  std::chrono::milliseconds look_interval() const;
  void set_leader(bool is_leader);

  const std::string ns_, name_, identity_;
  Seams seams_;
  Backoff backoff_;
  std::unique_ptr<rest::Call> call_;
  std::optional<MonotonicTime> wake_at_;
  std::string seen_;  // resource version of the lease of somebody else
  MonotonicTime seen_at_;
  bool has_lease_ = false;      // the last attempt to take or renew it succeeded
  MonotonicTime renewed_at_;    // when that attempt was sent
  std::optional<Error> error_;  // of the last call
};

}  // namespace keelson::kube
