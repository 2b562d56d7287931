#include "identity/identity_store.h"

#include <algorithm>
#include <utility>

#include "tls/certificates.h"

namespace keelson::identity {
namespace {

using std::chrono::duration_cast;

// A CA reads its root every 30 s.
constexpr std::chrono::seconds kUntrustedRetry{30};

template <class Duration>
Duration scaled(Duration duration, double factor) {
  return Duration(
      static_cast<typename Duration::rep>(static_cast<double>(duration.count()) * factor));
}

std::string shown(const ServiceAccount& account) {
  return "ServiceAccount " + account.ns + "/" + account.name;
}

// What cannot be read was taken as it came, and is judged by whoever uses it.
bool is_trusted(const tls::KeyMaterial& material, const std::vector<std::string>& roots) {
  const auto leaf = tls::read_certificates(material.chain.front());
  if (!leaf) return true;
  return std::any_of(roots.begin(), roots.end(), [&](const std::string& text) {
    const auto root = tls::read_certificates(text);
    return root && tls::is_signed_by(leaf->front().get(), root->front().get());
  });
}

}  // namespace

IdentityStore::IdentityStore(std::string trust_domain, Seams seams, RenewalTimes times)
    : trust_domain_(std::move(trust_domain)),
      seams_(std::move(seams)),
      times_(times),
      self_(std::make_shared<IdentityStore*>(this)) {}

IdentityStore::~IdentityStore() = default;

void IdentityStore::set_wanted(const std::set<ServiceAccount>& accounts) {
  refused_.clear();
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (accounts.contains(entry->first)) {
      ++entry;
      continue;
    }
    const bool was_known = entry->second.material.has_value();
    const tls::SpiffeId id = entry->second.id;
    entry = entries_.erase(entry);  // wipes the key; an answer in flight finds no entry
    if (was_known) seams_.observer.on_identity_gone(id, Reason::none);
  }
  for (const auto& account : accounts)
    if (!entries_.contains(account)) add(account);
}

void IdentityStore::add(const ServiceAccount& account) {
  auto id = tls::SpiffeId::make(trust_domain_, account.ns, account.name);
  if (!id) {
    refused_.insert(account);
    return;
  }
  Entry entry;
  entry.id = std::move(*id);
  entry.next_event = seams_.clock.now();
  entries_.emplace(account, std::move(entry));
}

void IdentityStore::adopt(tls::KeyMaterial material) {
  const auto found = entries_.find({material.id.ns, material.id.service_account});
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (!check(entry, material)) return;
  if (entry.material && entry.material->not_after >= material.not_after) return;
  hold(entry, std::move(material));
}

void IdentityStore::set_trust(const std::vector<std::string>& roots) {
  if (roots.empty() || roots == trust_) return;  // an empty bundle would trust nobody
  trust_ = roots;
  for (auto& [account, entry] : entries_) {
    if (!is_usable(entry) || entry.material->trust == trust_) continue;
    entry.material->trust = trust_;
    // Another root, without a rotation: nobody takes this certificate any more.
    if (!is_trusted(*entry.material, trust_)) entry.renew_at = seams_.clock.wall_now();
    seams_.observer.on_identity(*entry.material);
  }
}

std::optional<MonotonicTime> IdentityStore::run_due() {
  std::optional<MonotonicTime> next;
  for (auto& [account, entry] : entries_) {
    run_entry(account, entry);
    const MonotonicTime event = next_event_of(entry);
    next = next ? std::min(*next, event) : event;
  }
  return next;
}

void IdentityStore::run_entry(const ServiceAccount& account, Entry& entry) {
  expire_if_due(entry);
  const MonotonicTime now = seams_.clock.now();
  switch (entry.state) {
    case State::kRequesting:
      if (now >= entry.next_event)
        wait(entry, Error{Reason::identity_issue_failed, ErrorSource::kInternal, true, 0,
                          "no answer from the CA"});
      break;
    case State::kWaiting:
      if (now >= entry.next_event) request(account, entry);
      break;
    case State::kHolding:
      if (seams_.clock.wall_now() >= entry.renew_at) request(account, entry);
      break;
  }
}

// Fail closed: from this moment nobody gets the key, whatever the CA's trouble is.
void IdentityStore::expire_if_due(Entry& entry) {
  if (!entry.material || seams_.clock.wall_now() < entry.material->not_after) return;
  entry.material.reset();
  entry.has_expired = true;
  totals_.expired_total++;
  if (entry.state == State::kHolding) {
    entry.state = State::kWaiting;
    entry.next_event = seams_.clock.now();
  }
  seams_.observer.on_identity_gone(entry.id, Reason::identity_expired);
}

void IdentityStore::request(const ServiceAccount& account, Entry& entry) {
  const uint64_t attempt = next_attempt_++;
  entry.state = State::kRequesting;
  entry.attempt = attempt;
  entry.next_event = seams_.clock.now() + times_.request_timeout;
  const std::weak_ptr<IdentityStore*> self = self_;
  seams_.issuer.issue(entry.id, [self, account, attempt](Result<tls::KeyMaterial> result) {
    if (const auto store = self.lock()) (*store)->on_answer(account, attempt, std::move(result));
  });
}

void IdentityStore::on_answer(const ServiceAccount& account, uint64_t attempt,
                              Result<tls::KeyMaterial> result) {
  const auto found = entries_.find(account);
  if (found == entries_.end()) return;  // its last pod went meanwhile: the key dies here
  Entry& entry = found->second;
  if (entry.state != State::kRequesting || entry.attempt != attempt) return;  // given up before
  if (!result) return wait(entry, std::move(result).error());
  if (auto fits = check(entry, *result); !fits) return wait(entry, std::move(fits).error());
  // Its clock is ahead, or this one is behind. Who has nothing else takes it.
  if (is_usable(entry) && seams_.clock.wall_now() < result->not_before)
    return wait(entry, Error{Reason::identity_issue_failed, ErrorSource::kInternal, true, 0,
                             "the certificate is not valid yet: is the clock of the CA right?"});
  hold(entry, std::move(*result));
}

// Do not trust the CA to have answered the question.
Result<void> IdentityStore::check(const Entry& entry, const tls::KeyMaterial& material) const {
  const auto wrong = [&entry](std::string what) {
    return fail(Reason::identity_issue_failed, ErrorSource::kInternal,
                entry.id.to_string() + ": " + std::move(what));
  };
  if (material.id != entry.id) return wrong("certificate for " + material.id.to_string());
  if (material.key.empty() || material.chain.empty() || material.trust.empty())
    return wrong("incomplete answer");
  if (material.not_after <= material.not_before) return wrong("certificate is never valid");
  if (seams_.clock.wall_now() >= material.not_after) return wrong("certificate has expired");
  return {};
}

void IdentityStore::hold(Entry& entry, tls::KeyMaterial material) {
  const auto life = material.not_after - material.not_before;
  const double fraction = times_.renew_at_fraction - times_.renew_jitter_fraction * seams_.random();
  entry.renew_at = material.not_before + scaled(life, std::max(fraction, 0.0));
  // A CA that hands out nearly expired certificates must not be asked in a tight loop.
  entry.renew_at = std::max(entry.renew_at, seams_.clock.wall_now() + times_.first_backoff);
  // Signed before the root was replaced: by a CA that has not read the new one yet, or kept by
  // hold.
  if (!trust_.empty() && !is_trusted(material, trust_))
    entry.renew_at = seams_.clock.wall_now() + kUntrustedRetry;
  if (!trust_.empty()) material.trust = trust_;
  entry.material = std::move(material);
  entry.state = State::kHolding;
  entry.failed_attempts = 0;
  entry.has_expired = false;
  entry.last_error.reset();
  totals_.issued_total++;
  seams_.observer.on_identity(*entry.material);
}

void IdentityStore::wait(Entry& entry, Error error) {
  constexpr uint32_t kDoublingsMax = 20;  // keeps the shift below within its type
  const auto doubled =
      times_.first_backoff * (1U << std::min(entry.failed_attempts, kDoublingsMax));
  const MonotonicTime::duration backoff =
      std::min<std::chrono::seconds>(times_.last_backoff, doubled);
  entry.failed_attempts++;
  entry.last_error = std::move(error);
  entry.state = State::kWaiting;
  // Between half and all of it: after an outage of the CA the nodes come back spread out.
  entry.next_event = seams_.clock.now() + scaled(backoff, 0.5 + 0.5 * seams_.random());
  totals_.issue_failures_total++;
}

MonotonicTime IdentityStore::next_event_of(const Entry& entry) const {
  const MonotonicTime now = seams_.clock.now();
  const WallTime wall = seams_.clock.wall_now();
  const auto at = [now, wall](WallTime time) {
    return now + std::max(duration_cast<MonotonicTime::duration>(time - wall),
                          MonotonicTime::duration::zero());
  };
  MonotonicTime next = now + times_.check_interval;
  if (entry.material) next = std::min(next, at(entry.material->not_after));
  if (entry.state == State::kHolding) return std::min(next, at(entry.renew_at));
  return std::min(next, std::max(entry.next_event, now));
}

bool IdentityStore::is_usable(const Entry& entry) const {
  // Judged at every look, not only by run_due(): a late wake-up must not serve an expired key.
  return entry.material && seams_.clock.wall_now() < entry.material->not_after;
}

const tls::KeyMaterial* IdentityStore::find(const ServiceAccount& account) const {
  const auto found = entries_.find(account);
  if (found == entries_.end() || !is_usable(found->second)) return nullptr;
  return &*found->second.material;
}

std::vector<IdentityStatus> IdentityStore::statuses() const {
  std::vector<IdentityStatus> all;
  for (const auto& [account, entry] : entries_) {
    const bool usable = is_usable(entry);
    all.push_back({entry.id, usable, usable ? entry.material->not_after : WallTime{},
                   entry.failed_attempts, entry.last_error});
  }
  return all;
}

std::vector<model::Finding> IdentityStore::findings() const {
  std::vector<model::Finding> all;
  for (const auto& account : refused_)
    all.push_back({model::Severity::kError,
                   Reason::spiffe_id_malformed,
                   {},
                   shown(account),
                   "the name cannot be part of a SPIFFE ID",
                   "rename the service account"});
  for (const auto& [account, entry] : entries_) {
    const std::string cause = entry.last_error ? ": " + entry.last_error->message() : "";
    const bool usable = is_usable(entry);
    if (!usable && (entry.has_expired || entry.material))
      all.push_back({model::Severity::kError,
                     Reason::identity_expired,
                     {},
                     shown(account),
                     "certificate expired, mesh traffic is refused" + cause,
                     "make the CA reachable for this node"});
    else if (!usable && entry.failed_attempts > 0)
      all.push_back({model::Severity::kError,
                     Reason::identity_pending,
                     {},
                     shown(account),
                     "no certificate yet, mesh traffic is refused" + cause,
                     "make the CA reachable for this node"});
    else if (entry.failed_attempts > 0)
      all.push_back({model::Severity::kWarning,
                     Reason::identity_issue_failed,
                     {},
                     shown(account),
                     "certificate cannot be renewed" + cause,
                     "make the CA reachable for this node before the certificate expires"});
  }
  return all;
}

IdentityCounts IdentityStore::counts() const {
  IdentityCounts counts = totals_;
  counts.wanted = entries_.size() + refused_.size();
  for (const auto& [account, entry] : entries_) {
    const bool usable = is_usable(entry);
    counts.usable += usable ? 1 : 0;
    counts.expired += !usable && (entry.has_expired || entry.material) ? 1 : 0;
  }
  return counts;
}

}  // namespace keelson::identity
