#include "compile/policy.h"

#include <algorithm>

#include "compile/ids.h"

namespace keelson::compile {
namespace {

using model::Kind;
using model::ObjectKey;

void add_policies_of(Policies& into, const model::Snapshot& snapshot, const std::string& ns,
                     const model::Labels& labels) {
  const auto& all = snapshot.authorization_policies;
  for (auto at = all.lower_bound(ObjectKey{Kind::kAuthorizationPolicy, ns, ""});
       at != all.end() && at->first.ns == ns; ++at)
    if (selects(at->second->selector, labels)) into.push_back(at->second);
}

struct ReferenceCheck {
  const std::set<std::string>& existing;
  const std::string& trust_domain;
  std::vector<model::Finding>& findings;

  void expect(const model::AuthorizationPolicy& policy, const std::string& field,
              const std::string& text, const std::string& principal) const {
    if (text.find('*') != std::string::npos || existing.contains(principal)) return;
    findings.push_back({model::Severity::kWarning, Reason::dangling_reference, policy.meta.where,
                        policy.meta.key.to_string(), field + " names " + text + ": nobody has it",
                        "check the spelling of namespace and service account"});
  }
  void check_principals(const model::AuthorizationPolicy& policy, const std::string& field,
                        const model::StringMatches& list) const {
    if (!list) return;
    for (const auto& text : *list) expect(policy, field, text, text);
  }
  void check_accounts(const model::AuthorizationPolicy& policy, const std::string& field,
                      const model::StringMatches& list) const {
    if (!list) return;
    for (const auto& text : *list) {
      const auto [ns, name] = split_service_account(text, policy.meta.key.ns);
      expect(policy, field, text, identity_name(trust_domain, ns, name));
    }
  }
};

}  // namespace

bool selects(const std::optional<model::Labels>& selector, const model::Labels& labels) {
  if (!selector) return true;
  return std::all_of(selector->begin(), selector->end(), [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

Policies policies_for(const model::Snapshot& snapshot, const std::string& root_namespace,
                      const model::Pod& pod) {
  Policies policies;
  add_policies_of(policies, snapshot, pod.meta.key.ns, pod.meta.labels);
  if (root_namespace != pod.meta.key.ns)
    add_policies_of(policies, snapshot, root_namespace, pod.meta.labels);
  std::sort(policies.begin(), policies.end(),
            [](const auto& a, const auto& b) { return a->meta.key < b->meta.key; });
  return policies;
}

std::vector<model::Finding> dangling_references(const model::Snapshot& snapshot,
                                                const std::vector<Peer>& known,
                                                const std::string& trust_domain) {
  if (snapshot.authorization_policies.empty()) return {};
  std::set<std::string> existing;
  for (const auto& peer : known) existing.insert(peer.principal);
  for (const auto& [key, account] : snapshot.service_accounts)
    existing.insert(identity_name(trust_domain, key.ns, key.name));

  std::vector<model::Finding> findings;
  const ReferenceCheck check{existing, trust_domain, findings};
  for (const auto& [key, policy] : snapshot.authorization_policies)
    for (const auto& rule : policy->rules) {
      if (!rule.from) continue;
      for (const auto& source : *rule.from) {
        check.check_principals(*policy, "principals", source.principals);
        check.check_principals(*policy, "notPrincipals", source.not_principals);
        check.check_accounts(*policy, "serviceAccounts", source.service_accounts);
        check.check_accounts(*policy, "notServiceAccounts", source.not_service_accounts);
      }
    }
  return findings;
}

}  // namespace keelson::compile
