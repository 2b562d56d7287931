#include "proxy_side.h"

#include <algorithm>
#include <random>

namespace keelson {
namespace {

double random_fraction() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

std::set<identity::ServiceAccount> accounts_of(const model::Snapshot& snapshot,
                                               const std::vector<pods::WantedPod>& pods,
                                               const std::vector<std::string>& leaving) {
  std::set<std::string> uids(leaving.begin(), leaving.end());
  for (const pods::WantedPod& pod : pods) uids.insert(pod.uid);
  std::set<identity::ServiceAccount> accounts;
  for (const auto& [key, pod] : snapshot.pods)
    if (uids.contains(pod->meta.uid)) accounts.insert({key.ns, pod->service_account});
  return accounts;
}

}  // namespace

ProxySide::ProxySide(io::EventLoop& loop, const Clock& clock, link::HoldClient& hold,
                     IssuingOptions issuing, proxylink::ProxyMapFds maps,
                     proxylink::ProxyLink::Callbacks callbacks, std::function<void()> on_key)
    : issuing_(loop, clock, issuing,
               {.on_trust = [this](const auto& roots) { keys_.set_trust(roots); },
                .on_answered = [this] { renewal_.start(std::chrono::milliseconds(1)); }}),
      vault_(hold),
      link_(loop, clock, std::move(maps), std::move(callbacks)),
      keys_(issuing.standalone.trust_domain,
            {clock, issuing_, vault_,
             [this, on_key = std::move(on_key)](uint64_t id, std::shared_ptr<const Fd> sealed) {
               link_.set_key(id, std::move(sealed));
               on_key();
             },
             random_fraction}),
      renewal_(loop, [this] { renew(); }),
      clock_(clock) {}

Result<void> ProxySide::start(const std::string& socket_path) {
  KS_TRY(link_.listen(socket_path));
  issuing_.start();
  return {};
}

void ProxySide::prepare(const compile::Plan& plan, const model::Snapshot& snapshot,
                        const std::vector<pods::WantedPod>& pods,
                        const std::vector<std::string>& leaving) {
  keys_.set_wanted(accounts_of(snapshot, pods, leaving));
  renew();
  config_ = with_leaving(plan.proxy, config_.get(), leaving);
  link_.set_config(config_);
}

std::shared_ptr<const config::RuntimeConfig> with_leaving(
    std::shared_ptr<const config::RuntimeConfig> next, const config::RuntimeConfig* before,
    const std::vector<std::string>& leaving) {
  if (before == nullptr) return next;
  std::shared_ptr<config::RuntimeConfig> whole;
  for (const std::string& uid : leaving) {
    const auto pod = before->local_pods.find(uid);
    if (pod == before->local_pods.end() || next->local_pods.contains(uid)) continue;
    if (!whole) whole = std::make_shared<config::RuntimeConfig>(*next);
    whole->local_pods.insert(*pod);
    for (const uint64_t set : pod->second->policy_set)
      if (const auto found = before->policy_sets.find(set); found != before->policy_sets.end())
        whole->policy_sets.insert(*found);
    const auto identity = before->identities.find(pod->second->identity);
    if (identity != before->identities.end())
      whole->identities.emplace(identity->first, identity->second);
  }
  return whole ? whole : next;
}

void ProxySide::renew() {
  renewal_.start_at(keys_.run_due(), clock_.now());
}

bool ProxySide::has_key(const model::Pod& pod) const {
  return keys_.has({pod.meta.key.ns, pod.service_account});
}

admin::IdentityCounters ProxySide::identity_counters() const {
  const identity::IdentityCounts counts = keys_.counts();
  admin::IdentityCounters counters{counts.wanted,
                                   counts.usable,
                                   counts.expired,
                                   counts.issued_total,
                                   counts.issue_failures_total,
                                   counts.expired_total};
  if (const auto* ca = issuing_.counts()) {
    counters.ca_issued_total = ca->issued_total;
    counters.ca_refused_total = ca->refused_total;
    counters.ca_unreachable_total = ca->unreachable_total;
    counters.ca_bad_answers_total = ca->bad_answers_total;
  }
  return counters;
}

admin::ProxyState ProxySide::state() const {
  const proxylink::ProxyStatus status = link_.status();
  admin::ProxyState state{status.connected,
                          status.acknowledged_generation,
                          {},
                          link_.counts().streams_lost_total,
                          identity_counters()};
  if (status.stats)
    state.counters = {status.stats->reasons,
                      status.stats->connections_active,
                      status.stats->connections_total,
                      status.stats->tunnels_active,
                      status.stats->handshakes_total,
                      status.stats->bytes_sent_total,
                      status.stats->bytes_received_total};
  return state;
}

std::vector<model::Finding> ProxySide::findings() const {
  std::vector<model::Finding> findings = link_.findings();
  for (model::Finding& finding : keys_.findings()) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace keelson
