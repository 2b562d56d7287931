#include "admin/peer_policy.h"

#include <algorithm>
#include <array>
#include <utility>

#include "compile/compile.h"
#include "compile/decide.h"
#include "compile/ids.h"
#include "compile/policy_match.h"

namespace keelson::admin {
namespace {

// The place of the policy that a name from Plan::names is about: "shop/pay-callers", or
// "shop/pay-callers (no ALLOW matches)", or several with commas: the first one.
model::SourceRef place_of(const model::Snapshot& snapshot, const std::string& name) {
  const std::string first = name.substr(0, name.find_first_of(", ("));
  const auto slash = first.find('/');
  if (slash == std::string::npos) return {};
  const auto found = snapshot.authorization_policies.find(
      {model::Kind::kAuthorizationPolicy, first.substr(0, slash), first.substr(slash + 1)});
  return found == snapshot.authorization_policies.end() ? model::SourceRef{}
                                                        : found->second->meta.where;
}

uint64_t id_or_none(const std::string& identity) {
  return identity.empty() ? 0 : compile::identity_id(identity);
}

PeerAnswer answer(const MeshView& view, const compile::Plan& plan, const ks_pod& record,
                  const PeerQuestion& question) {
  const compile::Decision decision =
      compile::decide(plan.rows, {{record.policy_set[0], record.policy_set[1]},
                                  id_or_none(question.proven),
                                  id_or_none(question.claimed),
                                  question.address,
                                  question.port});
  PeerAnswer result;
  result.allowed = decision.verdict == KS_ALLOW;
  result.reason = decision.reason;
  if (const auto name = plan.names.policies.find(decision.policy);
      name != plan.names.policies.end()) {
    result.policy = name->second;
    result.where = place_of(view.snapshot, result.policy);
  }
  return result;
}

// Those of the pod's namespace and of the root namespace; no others concern it.
template <class Object>
model::ObjectMap<Object> of_namespaces(const model::ObjectMap<Object>& objects,
                                       const std::array<std::string_view, 2>& namespaces) {
  model::ObjectMap<Object> chosen;
  for (const auto& [key, object] : objects)
    if (std::ranges::find(namespaces, key.ns) != namespaces.end()) chosen.emplace(key, object);
  return chosen;
}

// Compiled policies know the identities of the pods that there are: so there is one of `identity`.
void add_pod_of(model::Snapshot& snapshot, const std::string& identity) {
  const auto peer = compile::parse_principal(identity);
  if (!peer) return;
  model::Pod pod;
  pod.meta.key = {model::Kind::kPod, peer->ns, "of " + peer->service_account};
  pod.service_account = peer->service_account;
  snapshot.pods.emplace(pod.meta.key, std::make_shared<const model::Pod>(pod));
}

// The plan of the pod's own node, as far as policy for this pod and this peer goes: asked for one
// pod of a Service after another, it must not cost what the mesh is large.
compile::Plan remote_plan(const MeshView& view, const PeerQuestion& question, uint64_t cookie) {
  const model::Pod& pod = question.destination;
  const std::array<std::string_view, 2> namespaces{pod.meta.key.ns, view.facts.root_namespace};
  model::Snapshot snapshot;
  snapshot.generation = view.snapshot.generation;
  snapshot.namespaces = view.snapshot.namespaces;
  snapshot.authorization_policies = of_namespaces(view.snapshot.authorization_policies, namespaces);
  snapshot.peer_authentications = of_namespaces(view.snapshot.peer_authentications, namespaces);
  // Of another node's pod there is no object at the API server's agents.
  snapshot.pods.emplace(pod.meta.key, std::make_shared<const model::Pod>(pod));
  for (const std::string& identity : {question.proven, question.claimed})
    add_pod_of(snapshot, identity);
  compile::NodeFacts facts;
  facts.node_name = pod.node_name;
  facts.trust_domain = view.facts.trust_domain;
  facts.root_namespace = view.facts.root_namespace;
  compile::LocalPod local;
  local.uid = pod.meta.uid;
  local.netns_cookie = cookie;
  local.addresses = local.declared = pod.addresses;
  facts.pods.push_back(std::move(local));
  return compile::compile(snapshot, facts);
}

}  // namespace

Decide peer_policy(const MeshView& view) {
  return [&view](const PeerQuestion& question) -> PeerAnswer {
    if (const auto record = view.pod_row(question.destination))
      return answer(view, view.plan, *record, question);
    if (!model::is_meshed(view.snapshot, question.destination)) return {};
    constexpr uint64_t kAnyCookie = 1;
    const compile::Plan plan = remote_plan(view, question, kAnyCookie);
    const auto row = plan.rows.find({compile::MapId::kPod, compile::bytes_of(kAnyCookie)});
    if (row == plan.rows.end()) return {false, Reason::pod_record_missing, {}, {}};
    return answer(view, plan, compile::value_of<ks_pod>(row->second), question);
  };
}

}  // namespace keelson::admin
