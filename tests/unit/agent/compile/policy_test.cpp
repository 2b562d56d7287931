// One test for each semantic of AuthorizationPolicy that is easy to get wrong.
#include <gtest/gtest.h>

#include "compile/compile.h"
#include "compile/decide.h"
#include "compile/ids.h"
#include "mesh_fixture.h"

namespace keelson::compile {
namespace {

using model::PolicyAction;

struct Ask {
  std::string proven = {};
  std::string claimed = {};
  std::string source = "10.2.0.9";
  uint16_t port = 80;
};

const std::string kWeb = "cluster.local/ns/shop/sa/web";
const std::string kMallory = "cluster.local/ns/evil/sa/mallory";

class PolicyTest : public ::testing::Test {
 protected:
  PolicyTest() {
    mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"}).meta.labels["app"] = "pay";
    mesh.add_remote_pod("node-b", "shop", "web-1", "web", "10.2.0.1", model::PodState::kReady);
    mesh.add_remote_pod("node-b", "evil", "m-1", "mallory", "10.2.0.2", model::PodState::kReady);
  }
  Decision decide(const Ask& ask) {
    const Plan plan = compile(mesh.snapshot, mesh.facts);
    const auto pod = value_of<ks_pod>(plan.rows.at({MapId::kPod, bytes_of(uint64_t{100})}));
    return compile::decide(plan.rows, {{pod.policy_set[0], 0},
                                       ask.proven.empty() ? 0 : identity_id(ask.proven),
                                       ask.claimed.empty() ? 0 : identity_id(ask.claimed),
                                       ip(ask.source),
                                       ask.port});
  }
  Reason reason(const Ask& ask) { return decide(ask).reason; }

  // A policy in shop with one rule of one source.
  model::PolicySource& rule(PolicyAction action, const std::string& name = "p") {
    auto& policy = mesh.add_policy("shop", name, action);
    policy.rules.emplace_back().from.emplace().emplace_back();
    return policy.rules[0].from->front();
  }
  Mesh mesh;
};

TEST_F(PolicyTest, WithoutAPolicyEverythingIsAllowed) {
  EXPECT_EQ(reason({}), Reason::none);
}

TEST_F(PolicyTest, AllowWithoutRulesAllowsNothingAndDenyWithoutRulesDeniesNothing) {
  mesh.add_policy("shop", "deny", PolicyAction::kDeny);
  EXPECT_EQ(reason({kWeb}), Reason::none);
  mesh.add_policy("shop", "allow", PolicyAction::kAllow);
  EXPECT_EQ(reason({kWeb}), Reason::not_allowed);
}

TEST_F(PolicyTest, AnEmptyRuleMatchesEverything) {
  mesh.add_policy("shop", "allow", PolicyAction::kAllow).rules.emplace_back();
  EXPECT_EQ(reason({}), Reason::none);
  mesh.add_policy("shop", "deny", PolicyAction::kDeny).rules.emplace_back();
  EXPECT_EQ(reason({}), Reason::policy_denied);
}

TEST_F(PolicyTest, DenyComesBeforeAllow) {
  rule(PolicyAction::kAllow, "a").principals = {{"*"}};
  rule(PolicyAction::kDeny, "b").principals = {{kMallory}};
  EXPECT_EQ(reason({kWeb}), Reason::none);
  EXPECT_EQ(reason({kMallory}), Reason::policy_denied);
  EXPECT_EQ(decide({kMallory}).policy, policy_id("shop", "b"));
}

TEST_F(PolicyTest, StarMatchesAnyProvenIdentityAndNoMissingOne) {
  rule(PolicyAction::kAllow).principals = {{"*"}};
  EXPECT_EQ(reason({kWeb}), Reason::none);
  EXPECT_EQ(reason({"cluster.local/ns/new/sa/new"}), Reason::none);
  EXPECT_EQ(reason({}), Reason::not_allowed);
}

TEST_F(PolicyTest, AClaimedIdentityNeverAllowsButIsDenied) {
  rule(PolicyAction::kAllow).principals = {{kWeb}};
  EXPECT_EQ(reason({"", kWeb}), Reason::not_allowed);
  mesh.snapshot.authorization_policies.clear();
  rule(PolicyAction::kDeny).principals = {{kMallory}};
  EXPECT_EQ(reason({"", kMallory}), Reason::claimed_denied);
  EXPECT_EQ(reason({kWeb, kMallory}), Reason::claimed_denied);
  EXPECT_EQ(reason({"", kWeb}), Reason::none);
}

TEST_F(PolicyTest, ANotMatchNeverAllowsAPeerWithoutIdentityButDeniesIt) {
  rule(PolicyAction::kAllow).not_principals = {{kMallory}};
  EXPECT_EQ(reason({kWeb}), Reason::none);
  EXPECT_EQ(reason({kMallory}), Reason::not_allowed);
  EXPECT_EQ(reason({}), Reason::not_allowed);
  mesh.snapshot.authorization_policies.clear();
  rule(PolicyAction::kDeny).not_namespaces = {{"shop"}};
  EXPECT_EQ(reason({kWeb}), Reason::none);
  EXPECT_EQ(reason({kMallory}), Reason::policy_denied);
  EXPECT_EQ(reason({}), Reason::policy_denied);
}

TEST_F(PolicyTest, AnUnknownIdentityIsDeniedByWhatCouldMatchAndAllowedByNothingThatMayNot) {
  const Ask stranger{"cluster.local/ns/evil/sa/new"};
  rule(PolicyAction::kDeny).namespaces = {{"evil"}};
  EXPECT_EQ(reason(stranger), Reason::policy_denied);
  EXPECT_EQ(reason({kWeb}), Reason::none);
  mesh.snapshot.authorization_policies.clear();
  rule(PolicyAction::kAllow).namespaces = {{"evil"}};
  EXPECT_EQ(reason(stranger), Reason::not_allowed);
  EXPECT_EQ(reason({kMallory}), Reason::none);
  mesh.snapshot.authorization_policies.clear();
  rule(PolicyAction::kDeny).principals = {{kMallory}};
  EXPECT_EQ(reason(stranger), Reason::none) << "a principal spelt out is no riddle";
}

TEST_F(PolicyTest, AnEmptyListIsNoLicence) {
  rule(PolicyAction::kAllow).principals.emplace();
  EXPECT_EQ(reason({kWeb}), Reason::not_allowed);
  mesh.snapshot.authorization_policies.clear();
  rule(PolicyAction::kDeny).principals.emplace();
  EXPECT_EQ(reason({kWeb}), Reason::policy_denied);
}

TEST_F(PolicyTest, FieldsOfASourceAreAndedAndServiceAccountsDefaultToThePolicysNamespace) {
  auto& source = rule(PolicyAction::kAllow);
  source.service_accounts = {{"web"}};
  source.ip_blocks = {{prefix("10.2.0.0/24")}};
  EXPECT_EQ(reason({kWeb}), Reason::none);
  EXPECT_EQ(reason({kWeb, "", "10.3.0.1"}), Reason::not_allowed);
  EXPECT_EQ(reason({"cluster.local/ns/evil/sa/web"}), Reason::not_allowed);
}

TEST_F(PolicyTest, AnIPv6DefaultPrefixDoesNotMatchIPv4) {
  rule(PolicyAction::kDeny).ip_blocks = {{prefix("::/0")}};
  EXPECT_EQ(reason({"", "", "10.2.0.9"}), Reason::none);
  EXPECT_EQ(reason({"", "", "fd00::1"}), Reason::policy_denied);
}

TEST_F(PolicyTest, TheLongestPrefixDecides) {
  auto& source = rule(PolicyAction::kDeny);
  source.ip_blocks = {{prefix("10.0.0.0/8")}};
  source.not_ip_blocks = {{prefix("10.2.0.0/16")}};
  EXPECT_EQ(reason({"", "", "10.1.0.1"}), Reason::policy_denied);
  EXPECT_EQ(reason({"", "", "10.2.0.1"}), Reason::none);
  EXPECT_EQ(reason({"", "", "11.0.0.1"}), Reason::none);
}

TEST_F(PolicyTest, PortsAreTheWorkloadsOwn) {
  auto& policy = mesh.add_policy("shop", "p", PolicyAction::kDeny);
  policy.rules.emplace_back().to.emplace().emplace_back().not_ports = {{80, 443}};
  EXPECT_EQ(reason({"", "", "10.2.0.9", 80}), Reason::none);
  EXPECT_EQ(reason({"", "", "10.2.0.9", 8080}), Reason::policy_denied);
}

TEST_F(PolicyTest, ScopesAreUnitedAndSelectorsSelect) {
  mesh.add_policy("keelson-system", "mesh-wide", PolicyAction::kDeny).rules.emplace_back();
  EXPECT_EQ(reason({}), Reason::policy_denied);
  mesh.add_policy("keelson-system", "mesh-wide", PolicyAction::kDeny).selector =
      model::Labels{{"app", "web"}};
  mesh.add_policy("evil", "other-namespace", PolicyAction::kDeny).rules.emplace_back();
  EXPECT_EQ(reason({}), Reason::none);
  auto& selected = mesh.add_policy("shop", "pay-only", PolicyAction::kAllow);
  selected.selector = model::Labels{{"app", "pay"}};
  EXPECT_EQ(reason({}), Reason::not_allowed);
}

TEST_F(PolicyTest, AnUnreadablePolicyDeniesWhatItSelects) {
  mesh.add_policy("shop", "broken", PolicyAction::kAllow).unreadable = true;
  EXPECT_EQ(reason({kWeb}), Reason::policy_denied);
  EXPECT_EQ(reason({}), Reason::policy_denied);
}

TEST_F(PolicyTest, ASetOverTheLimitDeniesAndSaysSo) {
  auto& policy = mesh.add_policy("shop", "huge", PolicyAction::kAllow);
  for (int i = 0; i < 200; i++) {
    auto& rule = policy.rules.emplace_back();
    rule.from.emplace().emplace_back().principals = {
        {"cluster.local/ns/shop/sa/a" + std::to_string(i)}};
    rule.to.emplace().emplace_back().ports = {{static_cast<uint16_t>(1000 + i)}};
  }
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  EXPECT_EQ(std::count_if(plan.findings.begin(), plan.findings.end(),
                          [](const auto& f) { return f.reason == Reason::policy_too_large; }),
            1);
  EXPECT_EQ(reason({"cluster.local/ns/shop/sa/a0", "", "10.2.0.9", 1000}), Reason::policy_denied);
}

TEST_F(PolicyTest, ANameThatNobodyHasIsReported) {
  rule(PolicyAction::kAllow).service_accounts = {{"web", "wbe"}};
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  ASSERT_EQ(plan.findings.size(), 1u);
  EXPECT_EQ(plan.findings[0].reason, Reason::dangling_reference);
  EXPECT_NE(plan.findings[0].message.find("wbe"), std::string::npos);
}

TEST_F(PolicyTest, AMissingSetOrRowDenies) {
  EXPECT_EQ(compile::decide({}, {{7, 0}, 0, 0, ip("10.0.0.1"), 80}).reason, Reason::policy_missing);
  rule(PolicyAction::kAllow).principals = {{"*"}};
  Plan plan = compile(mesh.snapshot, mesh.facts);
  const auto pod = value_of<ks_pod>(plan.rows.at({MapId::kPod, bytes_of(uint64_t{100})}));
  for (const auto& [key, value] : Rows(plan.rows))
    if (key.map == MapId::kPolicy) plan.rows.erase(key);
  EXPECT_EQ(compile::decide(plan.rows, {{pod.policy_set[0], 0}, 5, 0, ip("10.0.0.1"), 80}).reason,
            Reason::policy_missing);
}

}  // namespace
}  // namespace keelson::compile
