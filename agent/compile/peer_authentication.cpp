#include "compile/peer_authentication.h"

#include <algorithm>
#include <set>

#include "compile/policy.h"

namespace keelson::compile {
namespace {

using model::Kind;
using model::MtlsMode;
using model::ObjectKey;
using model::PeerAuthentication;
using model::Severity;

bool has_selector(const PeerAuthentication& policy) {
  return policy.selector && !policy.selector->empty();
}

// The first by name of those that `wanted` accepts: objects carry no age here, so where Istio takes
// the oldest we take a fixed one and report the tie.
template <class Wanted>
const PeerAuthentication* find_first(const model::Snapshot& snapshot, const std::string& ns,
                                     Wanted wanted) {
  const auto& all = snapshot.peer_authentications;
  for (auto at = all.lower_bound(ObjectKey{Kind::kPeerAuthentication, ns, ""});
       at != all.end() && at->first.ns == ns; ++at)
    if (wanted(*at->second)) return at->second.get();
  return nullptr;
}

MtlsMode inherit(MtlsMode own, MtlsMode parent) {
  return own == MtlsMode::kUnset ? parent : own;
}

model::Finding finding(const PeerAuthentication& policy, Severity severity, Reason reason,
                       std::string message, std::string fix) {
  return {severity,           reason,        policy.meta.where, policy.meta.key.to_string(),
          std::move(message), std::move(fix)};
}

bool uses_disable(const PeerAuthentication& policy) {
  return policy.mode == MtlsMode::kDisable ||
         std::any_of(policy.port_modes.begin(), policy.port_modes.end(),
                     [](const auto& port) { return port.second == MtlsMode::kDisable; });
}

}  // namespace

PlaintextMode plaintext_mode(const model::Snapshot& snapshot, const std::string& root_namespace,
                             const model::Pod& pod) {
  const std::string& ns = pod.meta.key.ns;
  const auto whole_namespace = [](const PeerAuthentication& policy) {
    return !has_selector(policy);
  };
  MtlsMode mode = MtlsMode::kPermissive;
  if (const auto* mesh = find_first(snapshot, root_namespace, whole_namespace))
    mode = inherit(mesh->mode, mode);
  if (ns != root_namespace)
    if (const auto* own = find_first(snapshot, ns, whole_namespace))
      mode = inherit(own->mode, mode);

  // Istio ignores selectors in the root namespace.
  const PeerAuthentication* workload = nullptr;
  if (ns != root_namespace)
    workload = find_first(snapshot, ns, [&](const PeerAuthentication& policy) {
      return has_selector(policy) && selects(policy.selector, pod.meta.labels);
    });
  if (workload != nullptr) mode = inherit(workload->mode, mode);

  PlaintextMode result;
  result.strict = mode == MtlsMode::kStrict;
  if (workload == nullptr) return result;
  for (const auto& [port, port_mode] : workload->port_modes) {
    const bool strict = inherit(port_mode, mode) == MtlsMode::kStrict;
    if (strict != result.strict) result.port_strict.emplace(port, strict);
  }
  return result;
}

std::vector<model::Finding> peer_authentication_findings(const model::Snapshot& snapshot,
                                                         const std::string& root_namespace) {
  std::vector<model::Finding> findings;
  std::set<std::pair<std::string, model::Labels>> seen;  // namespace and selector
  for (const auto& [key, policy] : snapshot.peer_authentications) {
    if (uses_disable(*policy))
      findings.push_back(finding(*policy, Severity::kWarning, Reason::unsupported_field,
                                 "mode DISABLE is treated as PERMISSIVE", "use PERMISSIVE"));
    if (has_selector(*policy) && key.ns == root_namespace)
      findings.push_back(
          finding(*policy, Severity::kWarning, Reason::unsupported_field,
                  "a selector in the root namespace is ignored, and the object with it",
                  "put the object into the workload's namespace"));
    if (!has_selector(*policy) && !policy->port_modes.empty())
      findings.push_back(finding(*policy, Severity::kWarning, Reason::unsupported_field,
                                 "spec.portLevelMtls needs a selector: the port modes are ignored",
                                 "add spec.selector"));
    if (!seen.emplace(key.ns, policy->selector.value_or(model::Labels{})).second)
      findings.push_back(
          finding(*policy, Severity::kWarning, Reason::duplicate_object,
                  "another PeerAuthentication selects the same: the first by name counts",
                  "remove one of the two"));
  }
  return findings;
}

}  // namespace keelson::compile
