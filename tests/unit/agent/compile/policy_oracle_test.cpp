// The class tables against a second, independent reading of Istio's semantics that walks the policy
// objects for one concrete request.
#include <gtest/gtest.h>

#include "compile/compile.h"
#include "compile/decide.h"
#include "compile/ids.h"
#include "mesh_fixture.h"

namespace keelson::compile {
namespace {

struct Request {
  std::string principal;  // proven; empty: none
  std::string claimed;    // by the source address; empty: none
  std::string source;
  uint16_t port = 0;
};

struct Verdict {
  bool allow = false;
  std::string by;  // policy, or the list of ALLOW policies of which none matches
};

class Oracle {
 public:
  Oracle(const model::Snapshot& snapshot, const model::Pod& pod) : pod_(pod) {
    for (const auto& [key, policy] : snapshot.authorization_policies)
      if (selected(*policy)) policies_.push_back(policy.get());
  }

  Verdict judge(const Request& request) const {
    for (const auto* policy : policies_)
      if (policy->unreadable || (is_deny(*policy) && matches(*policy, request.principal, request)))
        return {false, name(*policy)};
    if (!request.claimed.empty())
      for (const auto* policy : policies_)
        if (is_deny(*policy) && matches(*policy, request.claimed, request))
          return allowed(request).allow ? Verdict{false, name(*policy)} : allowed(request);
    return allowed(request);
  }
  // Some policy cannot be judged for an identity that nobody knows.
  bool has_open_patterns() const {
    for (const auto* policy : policies_)
      for (const auto& rule : policy->rules)
        for (const auto& source : rule.from.value_or(std::vector<model::PolicySource>{})) {
          if (source.namespaces || source.not_namespaces || source.service_accounts ||
              source.not_service_accounts)
            return true;
          for (const auto* list : {&source.principals, &source.not_principals})
            for (const auto& text : list->value_or(std::vector<std::string>{}))
              if (text.find('*') != std::string::npos && text != "*") return true;
        }
    return false;
  }

 private:
  static bool is_deny(const model::AuthorizationPolicy& policy) {
    return policy.action == model::PolicyAction::kDeny;
  }
  static std::string name(const model::AuthorizationPolicy& policy) {
    return policy.meta.key.ns + "/" + policy.meta.key.name;
  }
  bool selected(const model::AuthorizationPolicy& policy) const {
    if (policy.meta.key.ns != pod_.meta.key.ns && policy.meta.key.ns != "keelson-system")
      return false;
    if (!policy.selector) return true;
    for (const auto& [label, value] : *policy.selector)
      if (!pod_.meta.labels.contains(label) || pod_.meta.labels.at(label) != value) return false;
    return true;
  }

  Verdict allowed(const Request& request) const {
    std::string allows;
    for (const auto* policy : policies_) {
      if (is_deny(*policy) || policy->unreadable) continue;
      if (matches(*policy, request.principal, request)) return {true, name(*policy)};
      allows += (allows.empty() ? "" : ", ") + name(*policy);
    }
    if (allows.empty()) return {true, ""};
    return {false, allows + " (no ALLOW matches)"};
  }

  bool matches(const model::AuthorizationPolicy& policy, const std::string& identity,
               const Request& request) const {
    for (const auto& rule : policy.rules) {
      bool from = !rule.from;
      if (rule.from)
        for (const auto& source : *rule.from)
          from = from || source_matches(policy, source, identity, request);
      bool to = !rule.to;
      if (rule.to)
        for (const auto& operation : *rule.to) to = to || operation_matches(operation, request);
      if (from && to) return true;
    }
    return false;
  }

  static bool glob(const std::string& pattern, const std::string& text) {
    if (pattern == "*") return true;
    if (pattern.back() == '*')
      return text.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0;
    if (pattern.front() == '*')
      return text.size() + 1 >= pattern.size() &&
             text.substr(text.size() - pattern.size() + 1) == pattern.substr(1);
    return pattern == text;
  }
  using List = std::optional<std::vector<std::string>>;
  static bool list_matches(const List& list, const std::string& text) {
    return std::any_of(list->begin(), list->end(),
                       [&](const auto& pattern) { return glob(pattern, text); });
  }
  static bool field_matches(const List& positive, const List& negative, const std::string& text,
                            bool anonymous, bool deny) {
    if (positive && (anonymous || !list_matches(positive, text))) return false;
    if (!negative) return true;
    if (anonymous) return deny;
    return !list_matches(negative, text);
  }
  static List qualified(const List& accounts, const std::string& ns) {
    if (!accounts) return accounts;
    List result = accounts;
    for (auto& text : *result)
      if (text.find('/') == std::string::npos) text = ns + "/" + text;
    return result;
  }

  bool source_matches(const model::AuthorizationPolicy& policy, const model::PolicySource& source,
                      const std::string& identity, const Request& request) const {
    const bool anonymous = identity.empty();
    const bool deny = is_deny(policy);
    std::string ns, account;
    if (!anonymous) {  // td/ns/NS/sa/SA
      const size_t ns_at = identity.find("/ns/") + 4;
      const size_t sa_at = identity.find("/sa/");
      ns = identity.substr(ns_at, sa_at - ns_at);
      account = ns + "/" + identity.substr(sa_at + 4);
    }
    const std::string& own = policy.meta.key.ns;
    return field_matches(source.principals, source.not_principals, identity, anonymous, deny) &&
           field_matches(source.namespaces, source.not_namespaces, ns, anonymous, deny) &&
           field_matches(qualified(source.service_accounts, own),
                         qualified(source.not_service_accounts, own), account, anonymous, deny) &&
           (!source.ip_blocks || in_any(*source.ip_blocks, request.source)) &&
           (!source.not_ip_blocks || !in_any(*source.not_ip_blocks, request.source));
  }
  static bool in_any(const std::vector<IpPrefix>& blocks, const std::string& source) {
    return std::any_of(blocks.begin(), blocks.end(), [&](const IpPrefix& block) {
      const bool v4 = source.find(':') == std::string::npos;
      return v4 == (block.to_string().find(':') == std::string::npos) && block.contains(ip(source));
    });
  }
  static bool operation_matches(const model::PolicyOperation& operation, const Request& request) {
    const auto listed = [&](const std::vector<uint16_t>& ports) {
      return std::find(ports.begin(), ports.end(), request.port) != ports.end();
    };
    return (!operation.ports || listed(*operation.ports)) &&
           (!operation.not_ports || !listed(*operation.not_ports));
  }

  const model::Pod& pod_;
  std::vector<const model::AuthorizationPolicy*> policies_;
};

const std::vector<std::string> kKnown = {
    "cluster.local/ns/shop/sa/pay", "cluster.local/ns/shop/sa/web", "cluster.local/ns/shop/sa/api",
    "cluster.local/ns/evil/sa/mallory"};
const std::vector<std::string> kUnknown = {"cluster.local/ns/shop/sa/new",
                                           "cluster.local/ns/far/sa/new", "other.org/ns/evil/sa/x"};
const std::vector<std::string> kSources = {"10.0.0.1",    "10.0.7.7", "10.1.2.3", "10.1.9.9",
                                           "192.168.0.1", "fd00::5",  "fd00::6",  "2001:db8::1"};

Mesh random_mesh(std::mt19937& random) {
  Mesh mesh;
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"}).meta.labels["app"] = "pay";
  mesh.add_remote_pod("node-b", "shop", "web", "web", "10.2.0.1", model::PodState::kReady);
  mesh.add_remote_pod("node-b", "shop", "api", "api", "10.2.0.2", model::PodState::kReady);
  mesh.add_remote_pod("node-b", "evil", "m", "mallory", "10.2.0.3", model::PodState::kReady);
  const size_t policies = 1 + random() % 3;
  for (size_t i = 0; i < policies; i++) {
    const std::string ns =
        std::vector<std::string>{"shop", "shop", "keelson-system", "evil"}[random() % 4];
    auto policy = RandomMesh::random_policy(random, ns, "policy-" + std::to_string(i));
    mesh.snapshot.authorization_policies[policy.meta.key] =
        std::make_shared<const model::AuthorizationPolicy>(policy);
  }
  return mesh;
}

std::string pick_or_none(std::mt19937& random, const std::vector<std::string>& pool) {
  const size_t at = random() % (pool.size() + 1);
  return at == pool.size() ? "" : pool[at];
}

PolicyQuestion question_of(const Request& request, const Plan& plan) {
  const auto pod = value_of<ks_pod>(plan.rows.at({MapId::kPod, bytes_of(uint64_t{100})}));
  return {{pod.policy_set[0], pod.policy_set[1]},
          request.principal.empty() ? 0 : identity_id(request.principal),
          request.claimed.empty() ? 0 : identity_id(request.claimed),
          ip(request.source),
          request.port};
}

TEST(PolicyOracle, ClassTablesDecideAsThePolicyObjectsSay) {
  std::mt19937 random(20);
  size_t compared = 0, denied = 0;
  for (int round = 0; round < 2500; round++) {
    const Mesh mesh = random_mesh(random);
    const Plan plan = compile(mesh.snapshot, mesh.facts);
    const Oracle oracle(mesh.snapshot, *mesh.snapshot.pods.begin()->second);
    for (int i = 0; i < 12; i++) {
      const Request request{pick_or_none(random, kKnown), pick_or_none(random, kKnown),
                            kSources[random() % kSources.size()],
                            static_cast<uint16_t>(std::vector{80, 443, 8080, 9}[random() % 4])};
      const Verdict expected = oracle.judge(request);
      const Decision actual = decide(plan.rows, question_of(request, plan));
      const auto named = plan.names.policies.find(actual.policy);
      const std::string by = named == plan.names.policies.end() ? "" : named->second;
      ASSERT_EQ(actual.verdict == KS_ALLOW, expected.allow)
          << "round " << round << " " << request.principal << " claims " << request.claimed << " "
          << request.source << ":" << request.port << " by " << by << " not " << expected.by;
      ASSERT_EQ(by, expected.by) << "round " << round;
      ASSERT_EQ(actual.reason == Reason::none, expected.allow);
      compared++;
      denied += expected.allow ? 0 : 1;
    }
  }
  EXPECT_GE(compared, 20000u);
  EXPECT_GT(denied, compared / 10);
  EXPECT_LT(denied, compared * 9 / 10);
}

TEST(PolicyOracle, AnIdentityThatNobodyKnowsIsNeverAllowedMoreThanTheSameIdentityOnceKnown) {
  std::mt19937 random(21);
  size_t stricter = 0;
  for (int round = 0; round < 1500; round++) {
    const Mesh mesh = random_mesh(random);
    const Plan plan = compile(mesh.snapshot, mesh.facts);
    const Oracle oracle(mesh.snapshot, *mesh.snapshot.pods.begin()->second);
    for (int i = 0; i < 6; i++) {
      const Request request{kUnknown[random() % kUnknown.size()], pick_or_none(random, kUnknown),
                            kSources[random() % kSources.size()], 80};
      const bool known_allows = oracle.judge(request).allow;
      const bool allows = decide(plan.rows, question_of(request, plan)).verdict == KS_ALLOW;
      if (allows == known_allows) continue;
      stricter++;
      ASSERT_FALSE(allows) << "round " << round << " " << request.principal;
      ASSERT_TRUE(oracle.has_open_patterns()) << "round " << round << " " << request.principal;
    }
  }
  EXPECT_GT(stricter, 0u);
}

}  // namespace
}  // namespace keelson::compile
