// Enrolment: makes the wanted local pods part of the mesh and takes them out again: keelson-hold
// (registration, listeners) and kernel hooks per pod, slots, self-check with repair, retries. One
// pod's failure never stops another's. Agent loop only; every call to hold waits for its answer.
// Writes no map rows: it tells compile the facts. A pod's sk_lookup program and its rows cannot
// change at one instant, so a joining pod is first among open_pods() until its addresses are open
// (KS_ADDRESS_OPEN), then gets its hooks and is among pods(); a leaving one goes back the same way.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compile/facts.h"
#include "compile/rows.h"
#include "datapath/pod_hooks.h"
#include "link/hold_client.h"
#include "pods/slots.h"

namespace keelson::pods {

struct WantedPod {
  std::string uid;
  std::string name;                  // "shop/web-1", for people
  std::string netns_path;            // empty: not known now; it stays if it was in the mesh
  std::vector<IpAddress> addresses;  // as the Pod object declares; all must be on its interfaces
};

struct EnrolmentProblem {
  std::string uid;
  std::string name;
  Error error;
};

struct EnrolmentOptions {
  std::chrono::seconds grace{30};  // ks_pod.grace_until_ns of a newly enrolled pod
  std::chrono::seconds retry_first{1};
  std::chrono::seconds retry_max{30};
  // Without growing: a hold that is back must not be waited for, and to ask an absent one is cheap.
  std::chrono::milliseconds retry_hold{200};
};

class Enrolment {
 public:
  Enrolment(link::Hold& hold, datapath::PodHooks& hooks, const Clock& clock,
            EnrolmentOptions options = {});

  // After a restart, before the first reconcile(): slots and grace of pods that the kernel has rows
  // for, by netns cookie.
  void recover(const compile::Rows& rows);

  // Starts to enrol new pods; those not wanted any more leave pods() at once. True: pods() or
  // open_pods() changed.
  bool reconcile(const std::vector<WantedPod>& wanted);
  // Tries failed pods again whose time has come. True: pods() or open_pods() changed.
  bool retry();
  // Attaches the joining pods whose addresses are open in `applied`, if they may by now: until then
  // they are as they were outside the mesh. True: pods() changed.
  using MayAttach = std::function<bool(const std::string& uid)>;
  bool attach_opened(const compile::Rows& applied, const MayAttach& may_attach);
  // Reads every pod's facts again and repairs hooks, listeners and a restarted hold. True: pods()
  // changed, or what sock_diag() gives for one. Call it every few seconds.
  bool self_check();
  // Others were told that this pod goes, and it stays: they may send plaintext for a while.
  void begin_grace(const std::string& uid);
  // Un-enrolls for good the leaving pods whose rows are gone, in the safe order: hooks, then hold.
  // True: open_pods() changed.
  bool release_retired(const std::function<bool(const compile::LocalPod&)>& may_release);

  // False after a restart until it is known which of the wanted pods have rows in the kernel:
  // pods() lacks them, and applying it would take them out of the mesh.
  bool is_ready_to_apply() const noexcept { return orphans_found_; }
  std::vector<compile::LocalPod> pods() const;       // by uid
  std::vector<compile::LocalPod> open_pods() const;  // joining, then leaving
  std::vector<EnrolmentProblem> problems() const;
  std::optional<MonotonicTime> next_retry() const;
  uint64_t repairs() const noexcept { return repairs_; }  // by self_check
  uint64_t repairs_of(std::string_view uid) const;        // since it was enrolled
  size_t leaving() const noexcept { return leaving_.size(); }
  std::vector<std::string> leaving_uids() const;    // as far as they are known
  const Fd* sock_diag(std::string_view uid) const;  // null: hold has not given one
  // In the mesh, or on its way in or out.
  bool has(std::string_view uid) const;
  // The next reconcile() or retry() asks hold for pods that nobody wants. Call it now and then: an
  // end may have been missed.
  void look_for_orphans() noexcept { look_for_orphans_ = true; }
  // Namespaces that hold keeps open, when it was last asked for all.
  size_t held() const noexcept { return held_; }

 private:
  struct Enrolled {
    WantedPod wanted;
    compile::LocalPod facts;
    link::PodListeners listeners;  // none: it was kept, and hold has not been asked since
    Fd sock_diag;                  // the same
    bool attached = false;
    uint64_t repairs = 0;
  };
  struct Leaving {
    compile::LocalPod facts;  // uid empty: hold knows it no more; addresses empty: not known
  };
  struct Failed {
    WantedPod wanted;
    Error error;
    std::chrono::seconds pause{0};
    MonotonicTime retry_at;
  };

  Result<void> meet_hold();
  void find_orphans(const std::vector<WantedPod>& wanted);
  void keep(const WantedPod& wanted, const link::HoldPod& seen, const Slots::Place& place);
  // `listed`: the uids that hold told.
  bool may_rows_be_of_a_failed(const std::set<std::string_view>& listed) const;
  bool may_own_rows(const Failed& failed) const;
  bool try_enrol_all(const std::vector<WantedPod>& wanted);  // true: at least one is enrolled
  bool try_enrol(const WantedPod& wanted);                   // true: enrolled
  Result<Enrolled> enrol(const WantedPod& wanted);
  Result<link::Registration> register_pod(const WantedPod& wanted);
  Result<void> refuse_shared_namespace(const Enrolled& pod) const;
  Result<void> attach(const Enrolled& pod);
  void begin_grace(Enrolled& pod);
  bool give_up_joining(const Enrolled& pod);  // true: nothing is left of it
  void leave(const Enrolled& pod);
  void leave_namespace(const Enrolled& pod);  // the pod has a new sandbox
  void release_unused_slots();
  void note_failure(const WantedPod& wanted, Error error);
  bool check(Enrolled& pod, const link::Registration& now);  // true: facts changed
  void repair(Enrolled& pod);

  link::Hold& hold_;
  datapath::PodHooks& hooks_;
  const Clock& clock_;
  EnrolmentOptions options_;
  Slots slots_;
  std::map<std::string, Enrolled, std::less<>> enrolled_;
  std::map<std::string, Failed, std::less<>> failed_;
  std::vector<Leaving> leaving_;
  uint64_t met_connection_ = 0;  // hold_.connections() when it was last told everything
  bool look_for_orphans_ = true;
  bool orphans_found_ = false;  // at least once
  size_t held_ = 0;
  uint64_t repairs_ = 0;
};

}  // namespace keelson::pods
