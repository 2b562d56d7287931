#include "pods/enrolment.h"

#include <algorithm>
#include <set>

namespace keelson::pods {
namespace {

uint64_t nanoseconds(MonotonicTime time) {
  using std::chrono::duration_cast;
  return static_cast<uint64_t>(
      duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

compile::LocalPod facts_of(const std::string& uid, const link::HoldPod& seen) {
  compile::LocalPod facts;
  facts.uid = uid;
  facts.netns_cookie = seen.netns_cookie;
  facts.host_ifindex = seen.peer_ifindex;
  facts.local_port_first = seen.local_port_first;
  facts.local_port_last = seen.local_port_last;
  for (uint32_t i = 0; i < seen.address_count; ++i) facts.addresses.emplace_back(seen.addresses[i]);
  // The kernel's dump order is no property of the pod: unchanged facts must compare equal.
  std::sort(facts.addresses.begin(), facts.addresses.end());
  return facts;
}

Result<void> check_addresses(const WantedPod& wanted, const compile::LocalPod& facts) {
  for (const IpAddress& declared : wanted.addresses) {
    if (std::binary_search(facts.addresses.begin(), facts.addresses.end(), declared)) continue;
    Error error{Reason::address_mismatch, ErrorSource::kKube, true, 0,
                "pod " + wanted.name + " declares " + declared.to_string() +
                    ", which no interface in " + wanted.netns_path + " has"};
    return Failure(std::move(error));
  }
  return {};
}

// It says nothing about the pod: hold was away, or another one answered half-way.
bool is_holds_trouble(const Error& error) {
  return error.reason == Reason::hold_unreachable || error.reason == Reason::hold_refused ||
         error.reason == Reason::pod_unknown;
}

constexpr ks_role kListenerRoles[] = {KS_ROLE_OUTBOUND, KS_ROLE_HBONE, KS_ROLE_PLAIN};

}  // namespace

Enrolment::Enrolment(link::Hold& hold, datapath::PodHooks& hooks, const Clock& clock,
                     EnrolmentOptions options)
    : hold_(hold), hooks_(hooks), clock_(clock), options_(options) {}

void Enrolment::recover(const compile::Rows& rows) {
  slots_.recover(rows);
}

bool Enrolment::reconcile(const std::vector<WantedPod>& wanted) {
  bool changed = false;
  std::map<std::string_view, const WantedPod*> by_uid;
  for (const WantedPod& pod : wanted) by_uid[pod.uid] = &pod;
  const size_t gone =
      std::erase_if(failed_, [&](const auto& entry) { return !by_uid.contains(entry.first); });
  if (gone != 0) look_for_orphans_ = true;  // hold or the kernel may have parts of them
  std::vector<WantedPod> due;
  for (auto pod = enrolled_.begin(); pod != enrolled_.end();) {
    const auto still = by_uid.find(pod->first);
    const std::string& path = pod->second.wanted.netns_path;
    const bool stays = still != by_uid.end() && (path.empty() || still->second->netns_path == path);
    // It was kept without a path: whether this is its namespace, or another's, is seen now.
    if (stays && still->second->netns_path != path) due.push_back(*still->second);
    if (!stays) {
      leave(pod->second);
      changed = true;
      pod = enrolled_.erase(pod);
    } else {
      pod->second.wanted = *still->second;
      ++pod;
    }
  }
  for (const WantedPod& pod : wanted) {
    const auto failed = failed_.find(pod.uid);
    const bool waits = failed != failed_.end() && failed->second.retry_at > clock_.now() &&
                       failed->second.wanted.netns_path == pod.netns_path;
    if (!enrolled_.contains(pod.uid) && !waits) due.push_back(pod);
  }
  changed |= try_enrol_all(due);
  if (look_for_orphans_) find_orphans(wanted);
  return changed;
}

bool Enrolment::retry() {
  std::vector<WantedPod> due;
  for (const auto& [uid, failed] : failed_)
    if (failed.retry_at <= clock_.now() && !enrolled_.contains(uid)) due.push_back(failed.wanted);
  const bool changed = try_enrol_all(due);
  if (look_for_orphans_) {
    std::vector<WantedPod> wanted;
    for (const auto& [uid, pod] : enrolled_) wanted.push_back(pod.wanted);
    for (const auto& [uid, pod] : failed_) wanted.push_back(pod.wanted);
    find_orphans(wanted);
  }
  return changed;
}

// Tells a hold that is new to us, or was restarted, everything that it cannot know.
Result<void> Enrolment::meet_hold() {
  if (met_connection_ != 0 && hold_.connections() == met_connection_) return {};
  for (auto& [uid, pod] : enrolled_) {
    auto registered = register_pod(pod.wanted);
    if (!registered) {
      note_failure(pod.wanted, registered.error());
      continue;  // its namespace may just be ending; the others must not wait for it
    }
    pod.sock_diag = std::move(registered->sock_diag);
    for (const ks_family family : {KS_FAMILY_4, KS_FAMILY_6}) {
      for (const ks_role role : kListenerRoles) {
        const Fd& listener = pod.listeners[static_cast<size_t>(KS_LISTENER_INDEX(0, family, role))];
        if (!listener) continue;
        auto adopted = hold_.adopt(uid, family, role, listener.get());
        if (!adopted) note_failure(pod.wanted, std::move(adopted).error());
      }
    }
  }
  // Last, because only with it hold makes listeners: before, every listener has been given back, so
  // that a proxy which asks in between gets the right ones.
  KS_TRY(hold_.give_tag_map(hooks_.tag_map()));
  met_connection_ = hold_.connections();
  return {};
}

// Pods that hold or the kernel still have and nobody wants (this agent was restarted, or enrolment
// stopped half-way) are taken out like any leaving pod.
void Enrolment::find_orphans(const std::vector<WantedPod>& wanted) {
  // A wanted pod that hold could not be asked about may be in the kernel: only with hold's answer
  // is its cookie known. To take it for an orphan would end its policies and send to it in the
  // clear.
  const bool is_one_unasked = std::any_of(failed_.begin(), failed_.end(), [this](const auto& each) {
    return !enrolled_.contains(each.first) && is_holds_trouble(each.second.error);
  });
  if (is_one_unasked) return;
  const auto listed = hold_.list_all();
  if (!listed) return;  // hold does not answer: try_enrol reports it, the next call tries again
  held_ = listed->size();
  std::map<std::string_view, const WantedPod*> by_uid;
  for (const WantedPod& pod : wanted) by_uid[pod.uid] = &pod;
  std::set<std::string_view> listed_uids;
  std::set<uint64_t> known;
  for (const auto& [uid, pod] : enrolled_) known.insert(pod.facts.netns_cookie);
  for (const Leaving& pod : leaving_) known.insert(pod.facts.netns_cookie);
  for (const link::ListedPod& pod : *listed) {
    listed_uids.insert(pod.key);
    const bool already_known = !known.insert(pod.pod.netns_cookie).second;
    if (already_known || enrolled_.contains(pod.key)) continue;
    const auto place = slots_.find(pod.pod.netns_cookie);
    if (const auto is_wanted = by_uid.find(pod.key); is_wanted != by_uid.end()) {
      if (place) keep(*is_wanted->second, pod.pod, *place);
    } else if (place) {
      compile::LocalPod facts = facts_of(pod.key, pod.pod);
      facts.slot = place->slot;
      leaving_.push_back({std::move(facts)});
    } else if (!hold_.forget(pod.key)) {
      return;
    }
  }
  const std::vector<uint64_t> cookies = slots_.cookies();
  const bool has_unclaimed = std::ranges::any_of(
      cookies, [&known](const uint64_t cookie) { return !known.contains(cookie); });
  if (has_unclaimed && may_rows_be_of_a_failed(listed_uids)) return;
  for (const uint64_t cookie : cookies) {
    if (known.contains(cookie)) continue;
    const auto place = slots_.find(cookie);
    compile::LocalPod facts;
    facts.netns_cookie = cookie;
    facts.slot = place->slot;
    facts.host_ifindex = place->host_ifindex;
    leaving_.push_back({std::move(facts)});
  }
  release_unused_slots();
  look_for_orphans_ = false;
  orphans_found_ = true;
}

// A wanted pod of an earlier agent that cannot be registered now. It stays in the mesh as it is,
// like one that hold cannot reach later; self_check() registers it.
void Enrolment::keep(const WantedPod& wanted, const link::HoldPod& seen,
                     const Slots::Place& place) {
  Enrolled pod;
  pod.wanted = wanted;
  pod.facts = facts_of(wanted.uid, seen);
  pod.facts.slot = place.slot;
  pod.facts.grace_until_ns =
      std::min(place.grace_until_ns, nanoseconds(clock_.now() + options_.grace));
  pod.attached = true;
  slots_.set(pod.facts.netns_cookie, pod.facts.grace_until_ns, pod.facts.host_ifindex);
  enrolled_.insert_or_assign(wanted.uid, std::move(pod));
}

bool Enrolment::may_rows_be_of_a_failed(const std::set<std::string_view>& listed) const {
  return std::ranges::any_of(failed_, [&](const auto& each) {
    const auto& [uid, failed] = each;
    return !enrolled_.contains(uid) && !listed.contains(uid) && may_own_rows(failed);
  });
}

// Hold does not list it, being new, and could not look into its namespace: its cookie is not known.
// One pod's trouble must not stop the others for ever; one that is known to run may.
bool Enrolment::may_own_rows(const Failed& failed) const {
  if (failed.wanted.netns_path.empty()) return true;
  return failed.error.reason == Reason::io_error && failed.pause < options_.retry_max;
}

bool Enrolment::try_enrol_all(const std::vector<WantedPod>& wanted) {
  bool changed = false;
  for (const WantedPod& pod : wanted) {
    changed |= try_enrol(pod);
    const auto failed = failed_.find(pod.uid);
    if (failed == failed_.end() || failed->second.error.reason != Reason::hold_unreachable)
      continue;
    // The others would wait as long for the same answer, and the agent's loop with them.
    const Error away = failed->second.error;
    for (const WantedPod& other : wanted)
      if (!enrolled_.contains(other.uid) && other.uid != pod.uid) note_failure(other, away);
    return changed;
  }
  return changed;
}

bool Enrolment::try_enrol(const WantedPod& wanted) {
  auto enrolled = enrol(wanted);
  if (!enrolled) {
    note_failure(wanted, std::move(enrolled).error());
    return false;
  }
  failed_.erase(wanted.uid);
  const auto kept = enrolled_.find(wanted.uid);
  if (kept != enrolled_.end() && kept->second.facts.netns_cookie != enrolled->facts.netns_cookie)
    leave_namespace(kept->second);
  enrolled_.insert_or_assign(wanted.uid, std::move(*enrolled));
  return true;
}

Result<Enrolment::Enrolled> Enrolment::enrol(const WantedPod& wanted) {
  KS_ASSIGN(link::Registration registered, register_pod(wanted));
  KS_TRY(meet_hold());  // after the first call: only then is it known whether hold is a new one
  Enrolled pod;
  pod.wanted = wanted;
  pod.facts = facts_of(wanted.uid, registered.pod);
  pod.sock_diag = std::move(registered.sock_diag);
  KS_TRY(check_addresses(wanted, pod.facts));
  KS_TRY(refuse_shared_namespace(pod));
  // Before the slot: one that is held counts as enrolled before, and gets its hooks at once.
  KS_ASSIGN(pod.listeners, hold_.listeners(wanted.uid));
  const auto place = slots_.take(pod.facts.netns_cookie);
  if (!place)
    return fail(Reason::pod_slots_exhausted, ErrorSource::kConfig,
                "pod " + wanted.name + ": all " + std::to_string(KS_PODS_MAX) + " slots are used");
  pod.facts.slot = place->slot;
  // A row that an earlier agent wrote for a leaving pod knows no end of it.
  const uint64_t grace = nanoseconds(clock_.now() + options_.grace);
  pod.facts.grace_until_ns = place->fresh ? grace : std::min(place->grace_until_ns, grace);
  // The kernel has its rows already: they were never without their hooks for long.
  if (!place->fresh) {
    KS_TRY(attach(pod));
    pod.attached = true;
  }
  // Wanted again before it was released: it simply stays. Others have heard that it goes.
  const bool was_leaving = std::erase_if(leaving_, [&](const Leaving& leaving) {
                             return leaving.facts.netns_cookie == pod.facts.netns_cookie;
                           }) > 0;
  if (was_leaving) pod.facts.grace_until_ns = grace;
  slots_.set(pod.facts.netns_cookie, pod.facts.grace_until_ns, pod.facts.host_ifindex);
  return pod;
}

Result<link::Registration> Enrolment::register_pod(const WantedPod& wanted) {
  if (wanted.netns_path.empty())
    return fail(Reason::netns_invalid, ErrorSource::kKube,
                "pod " + wanted.name +
                    ": the container runtime does not tell the network namespace of its sandbox");
  return hold_.register_pod(wanted.uid, wanted.netns_path);
}

// Rows are keyed by the namespace: two pods in one would share identity and policies.
Result<void> Enrolment::refuse_shared_namespace(const Enrolled& pod) const {
  for (const auto& [uid, other] : enrolled_)
    if (uid != pod.wanted.uid && other.facts.netns_cookie == pod.facts.netns_cookie)
      return fail(Reason::netns_invalid, ErrorSource::kKube,
                  "pod " + pod.wanted.name + ": " + pod.wanted.netns_path +
                      " is the network namespace of pod " + other.wanted.name);
  return {};
}

// The lookup comes last: from then on the pod refuses what its rows do not allow, and what the
// lookup steers needs its listeners.
Result<void> Enrolment::attach(const Enrolled& pod) {
  KS_TRY(hooks_.install_listeners(pod.facts.slot, pod.listeners));
  if (pod.facts.host_ifindex != 0) KS_TRY(hooks_.attach_source_check(pod.facts.host_ifindex));
  return hooks_.attach_lookup(pod.facts.slot, pod.wanted.netns_path);
}

bool Enrolment::attach_opened(const compile::Rows& applied, const MayAttach& may_attach) {
  const auto is_open = [&applied](const compile::LocalPod& pod) {
    return std::ranges::any_of(pod.addresses, [&](const IpAddress& address) {
      const auto row = applied.find({compile::MapId::kAddress, compile::bytes_of(address.raw())});
      if (row == applied.end()) return false;
      const auto owner = compile::value_of<ks_address>(row->second);
      return owner.pod == pod.netns_cookie && (owner.flags & KS_ADDRESS_OPEN) != 0;
    });
  };
  bool changed = false;
  for (auto entry = enrolled_.begin(); entry != enrolled_.end();) {
    Enrolled& pod = entry->second;
    if (pod.attached || !is_open(pod.facts) || !may_attach(entry->first)) {
      ++entry;
      continue;
    }
    changed = true;
    begin_grace(pod);
    if (auto attached = attach(pod); attached) {
      pod.attached = true;
      ++entry;
    } else {
      note_failure(pod.wanted, std::move(attached).error());
      if (!give_up_joining(pod)) leave(pod);
      entry = enrolled_.erase(entry);
    }
  }
  return changed;
}

// Others may send plaintext from now on for a while; a pod may have waited long to get here.
void Enrolment::begin_grace(Enrolled& pod) {
  pod.facts.grace_until_ns = nanoseconds(clock_.now() + options_.grace);
  slots_.set(pod.facts.netns_cookie, pod.facts.grace_until_ns, pod.facts.host_ifindex);
}

void Enrolment::begin_grace(const std::string& uid) {
  if (const auto pod = enrolled_.find(uid); pod != enrolled_.end()) begin_grace(pod->second);
}

bool Enrolment::give_up_joining(const Enrolled& pod) {
  if (!hooks_.release(pod.facts.slot, pod.facts.host_ifindex, pod.facts.netns_cookie)) return false;
  slots_.free(pod.facts.netns_cookie);
  return true;
}

void Enrolment::leave(const Enrolled& pod) {
  leaving_.push_back({pod.facts});
}

void Enrolment::leave_namespace(const Enrolled& pod) {
  Leaving old{pod.facts};
  old.facts.uid.clear();  // hold's entry is the new sandbox's
  leaving_.push_back(std::move(old));
}

// An earlier agent may have ended between the rows and the hooks of a pod. A lookup without rows
// refuses everything, so one that belongs to nobody goes.
void Enrolment::release_unused_slots() {
  std::set<uint32_t> used;
  for (const uint64_t cookie : slots_.cookies()) used.insert(slots_.find(cookie)->slot);
  for (const uint32_t slot : hooks_.attached_slots())
    if (!used.contains(slot)) (void)hooks_.release(slot, 0, 0);
}

void Enrolment::note_failure(const WantedPod& wanted, Error error) {
  Failed& failed = failed_[wanted.uid];
  failed.wanted = wanted;
  failed.error = std::move(error);
  if (is_holds_trouble(failed.error)) {
    failed.retry_at = clock_.now() + options_.retry_hold;
    return;
  }
  failed.pause = failed.pause == failed.pause.zero()
                     ? options_.retry_first
                     : std::min(failed.pause * 2, options_.retry_max);
  failed.retry_at = clock_.now() + failed.pause;
}

bool Enrolment::self_check() {
  bool changed = false;
  std::vector<WantedPod> again;
  for (auto entry = enrolled_.begin(); entry != enrolled_.end();) {
    Enrolled& pod = entry->second;
    auto now = register_pod(pod.wanted);
    if (!now) {
      // Stays enrolled: whatever is in place keeps working while hold is away.
      note_failure(pod.wanted, std::move(now).error());
      ++entry;
      continue;
    }
    failed_.erase(entry->first);
    if (now->pod.netns_cookie != pod.facts.netns_cookie) {  // a new sandbox behind the same path
      again.push_back(pod.wanted);
      leave_namespace(pod);
      entry = enrolled_.erase(entry);
      changed = true;
      continue;
    }
    changed |= check(pod, *now);
    changed |= !pod.sock_diag;  // connections of a kept pod could not be cut until now
    pod.sock_diag = std::move(now->sock_diag);
    repair(pod);
    ++entry;
  }
  const auto met = meet_hold();
  if (!met)
    for (const auto& [uid, pod] : enrolled_) note_failure(pod.wanted, met.error());
  try_enrol_all(again);
  return changed;
}

bool Enrolment::check(Enrolled& pod, const link::Registration& now) {
  compile::LocalPod fresh = facts_of(pod.wanted.uid, now.pod);
  if (const auto matches = check_addresses(pod.wanted, fresh); !matches)
    note_failure(pod.wanted, matches.error());
  compile::LocalPod& known = pod.facts;
  const bool same = fresh.addresses == known.addresses &&
                    fresh.host_ifindex == known.host_ifindex &&
                    fresh.local_port_first == known.local_port_first &&
                    fresh.local_port_last == known.local_port_last;
  if (same) return false;
  fresh.slot = known.slot;
  fresh.grace_until_ns = known.grace_until_ns;
  known = std::move(fresh);
  slots_.set(known.netns_cookie, known.grace_until_ns, known.host_ifindex);
  // A family may have come with the new addresses. A hold that lost the listeners refuses here.
  if (auto listeners = hold_.listeners(known.uid)) pod.listeners = std::move(*listeners);
  return true;
}

void Enrolment::repair(Enrolled& pod) {
  if (!pod.attached) return;
  const bool has_listeners = std::ranges::any_of(
      pod.listeners, [](const Fd& listener) { return static_cast<bool>(listener); });
  if (!has_listeners) {  // it was kept; to install none would take the kernel's away
    auto listeners = hold_.listeners(pod.facts.uid);
    if (!listeners) return note_failure(pod.wanted, std::move(listeners).error());
    pod.listeners = std::move(*listeners);
  }
  const bool whole =
      hooks_.listeners_installed(pod.facts.slot, pod.listeners) &&
      hooks_.lookup_attached(pod.facts.slot, pod.wanted.netns_path) &&
      (pod.facts.host_ifindex == 0 || hooks_.source_check_attached(pod.facts.host_ifindex));
  if (whole) return;
  const auto attached = attach(pod);
  if (!attached) return note_failure(pod.wanted, attached.error());
  ++repairs_;
  ++pod.repairs;
}

bool Enrolment::release_retired(const std::function<bool(const compile::LocalPod&)>& may_release) {
  return std::erase_if(leaving_, [&](const Leaving& leaving) {
           const compile::LocalPod& pod = leaving.facts;
           if (!may_release(pod)) return false;
           // Anything that fails here is tried again at the next call.
           if (!hooks_.release(pod.slot, pod.host_ifindex, pod.netns_cookie)) return false;
           const bool replaced = enrolled_.contains(pod.uid);  // same uid, new sandbox
           if (!pod.uid.empty() && !replaced && !hold_.forget(pod.uid)) return false;
           slots_.free(pod.netns_cookie);
           return true;
         }) != 0;
}

std::vector<compile::LocalPod> Enrolment::pods() const {
  std::vector<compile::LocalPod> facts;
  for (const auto& [uid, pod] : enrolled_)
    if (pod.attached) facts.push_back(pod.facts);
  return facts;
}

std::vector<compile::LocalPod> Enrolment::open_pods() const {
  std::vector<compile::LocalPod> facts;
  for (const auto& [uid, pod] : enrolled_)
    if (!pod.attached) facts.push_back(pod.facts);
  for (const Leaving& pod : leaving_) facts.push_back(pod.facts);
  return facts;
}

std::vector<std::string> Enrolment::leaving_uids() const {
  std::vector<std::string> uids;
  for (const Leaving& pod : leaving_)
    if (!pod.facts.uid.empty()) uids.push_back(pod.facts.uid);
  return uids;
}

std::vector<EnrolmentProblem> Enrolment::problems() const {
  std::vector<EnrolmentProblem> found;
  for (const auto& [uid, failed] : failed_)
    found.push_back({uid, failed.wanted.name, failed.error});
  return found;
}

std::optional<MonotonicTime> Enrolment::next_retry() const {
  std::optional<MonotonicTime> next;
  for (const auto& [uid, failed] : failed_)  // an enrolled pod's is self_check's business
    if (!enrolled_.contains(uid) && (!next || failed.retry_at < *next)) next = failed.retry_at;
  return next;
}

bool Enrolment::has(std::string_view uid) const {
  return enrolled_.contains(uid) ||
         std::any_of(leaving_.begin(), leaving_.end(),
                     [&](const Leaving& pod) { return pod.facts.uid == uid; });
}

uint64_t Enrolment::repairs_of(std::string_view uid) const {
  const auto pod = enrolled_.find(uid);
  return pod == enrolled_.end() ? 0 : pod->second.repairs;
}

const Fd* Enrolment::sock_diag(std::string_view uid) const {
  const auto pod = enrolled_.find(uid);
  return pod == enrolled_.end() || !pod->second.sock_diag ? nullptr : &pod->second.sock_diag;
}

}  // namespace keelson::pods
