// IdentityStore: keys and certificates of the service accounts that have a pod on this node: asked
// for at once, renewed at half life, retried with backoff, gone when expired, dropped with the last
// pod. Pure: time, CA and chance are injected; it sets no timers, the caller wakes it (run_due).
// One thread, the agent's loop. Does not store, seal or send keys: its observer does.
//
// Entry          has material   next event
//   kRequesting  maybe          the issuer's answer, or request_timeout -> kWaiting
//   kWaiting     maybe          next_attempt -> kRequesting; expiry takes the material away
//   kHolding     yes            renew_at -> kRequesting
#pragma once

#include <chrono>
#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "identity/issuer.h"
#include "model/finding.h"
#include "tls/key_material.h"

namespace keelson::identity {

struct ServiceAccount {
  std::string ns;
  std::string name;
  friend auto operator<=>(const ServiceAccount&, const ServiceAccount&) = default;
};

struct RenewalTimes {
  double renew_at_fraction = 0.5;  // of the certificate's life ...
  double renew_jitter_fraction =
      0.1;  // ... minus up to this much, so that nodes do not ask at once
  std::chrono::seconds first_backoff{1};
  std::chrono::seconds last_backoff{300};
  std::chrono::seconds request_timeout{30};
  // run_due() wants to be called at least this often while there is anything to keep: expiry is
  // wall time, which may jump.
  std::chrono::seconds check_interval{60};
};

// Told by the store, from within its calls; calls nothing of the store.
class IdentityObserver {
 public:
  virtual ~IdentityObserver() = default;
  virtual void on_identity(const tls::KeyMaterial& material) = 0;  // new or renewed: publish it
  // Nothing may use the identity any more: no pod is left (none), or identity_expired.
  virtual void on_identity_gone(const tls::SpiffeId& id, Reason why) = 0;
};

struct IdentityStatus {
  tls::SpiffeId id;
  bool is_usable = false;
  WallTime not_after;            // when usable
  uint32_t failed_attempts = 0;  // since the last success
  std::optional<Error> last_error;
};

struct IdentityCounts {  // gauges and counters for the metrics page
  size_t wanted = 0;
  size_t usable = 0;
  size_t expired = 0;  // wanted, once had, now without
  uint64_t issued_total = 0;
  uint64_t issue_failures_total = 0;
  uint64_t expired_total = 0;
};

class IdentityStore {
 public:
  using Random = std::function<double()>;  // uniform in [0, 1)

  struct Seams {
    const Clock& clock;
    Issuer& issuer;
    IdentityObserver& observer;
    Random random;
  };  // all outlive the store
  IdentityStore(std::string trust_domain, Seams seams, RenewalTimes times = {});
  ~IdentityStore();
  IdentityStore(const IdentityStore&) = delete;
  IdentityStore& operator=(const IdentityStore&) = delete;

  // The complete set; a name that SPIFFE cannot express is refused by a finding, not requested.
  void set_wanted(const std::set<ServiceAccount>& accounts);
  // What hold kept over a restart. Ignored unless wanted, unexpired and newer than what is here.
  void adopt(tls::KeyMaterial material);
  // The trust bundle changed (root rotation): every identity is published again with it.
  void set_trust(const std::vector<std::string>& roots);

  // Does everything that is due; returns when to be called again, nullopt when nothing is wanted.
  std::optional<MonotonicTime> run_due();

  // Null: not wanted, not issued yet, or expired.
  const tls::KeyMaterial* find(const ServiceAccount& account) const;
  std::vector<IdentityStatus> statuses() const;
  std::vector<model::Finding> findings() const;
  IdentityCounts counts() const;

 private:
  enum class State : uint8_t { kRequesting, kWaiting, kHolding };
  struct Entry {
    tls::SpiffeId id;
    State state = State::kWaiting;
    std::optional<tls::KeyMaterial> material;
    WallTime renew_at;
    MonotonicTime next_event;  // kWaiting: next attempt; kRequesting: give up
    uint64_t attempt = 0;      // names the request in flight; an answer to an older one is late
    uint32_t failed_attempts = 0;
    bool has_expired = false;
    std::optional<Error> last_error;
  };
  using Entries = std::map<ServiceAccount, Entry>;

  void add(const ServiceAccount& account);
  void run_entry(const ServiceAccount& account, Entry& entry);
  void expire_if_due(Entry& entry);
  void request(const ServiceAccount& account, Entry& entry);
  void on_answer(const ServiceAccount& account, uint64_t attempt, Result<tls::KeyMaterial> result);
  void hold(Entry& entry, tls::KeyMaterial material);
  void wait(Entry& entry, Error error);
  Result<void> check(const Entry& entry, const tls::KeyMaterial& material) const;
  MonotonicTime next_event_of(const Entry& entry) const;
  bool is_usable(const Entry& entry) const;

  const std::string trust_domain_;
  const Seams seams_;
  const RenewalTimes times_;
  Entries entries_;
  std::set<ServiceAccount> refused_;  // names that are no Kubernetes names
  std::vector<std::string> trust_;    // empty: what the issuer sent along
  uint64_t next_attempt_ = 1;
  IdentityCounts totals_;
  // Answers that come after the store is gone find this expired.
  std::shared_ptr<IdentityStore*> self_;
};

}  // namespace keelson::identity
