// What the proxy is told, against the rows that the kernel gets from the same compile run.
#include "compile/proxy_config.h"

#include <gtest/gtest.h>

#include "compile/compile.h"
#include "compile/decide.h"
#include "compile/ids.h"
#include "mesh_fixture.h"

namespace keelson::compile {
namespace {

uint64_t account(const std::string& ns, const std::string& name) {
  return identity_id(identity_name("cluster.local", ns, name));
}

class ProxyConfigTest : public ::testing::Test {
 protected:
  std::shared_ptr<const config::RuntimeConfig> config() {
    return compile(mesh.snapshot, mesh.facts).proxy;
  }
  Mesh mesh;
};

TEST_F(ProxyConfigTest, ALocalPodComesWithItsSlotIdentitySetAndAddressesButNoLinkLocalOne) {
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1", "fd00::1"}).meta.labels["app"] = "pay";
  mesh.facts.pods[0].addresses.push_back(ip("fe80::1"));
  mesh.add_policy("shop", "p", model::PolicyAction::kAllow).rules.emplace_back();
  mesh.add_peer_authentication("shop", "strict", model::MtlsMode::kStrict);
  const auto proxy = config();
  EXPECT_EQ(proxy->node_name, "node-a");
  EXPECT_EQ(proxy->trust_domain, "cluster.local");
  ASSERT_EQ(proxy->local_pods.size(), 1u);
  const config::LocalPod& pod = *proxy->local_pods.at("shop-pay-1");
  EXPECT_EQ(pod.ns + "/" + pod.name, "shop/pay-1");
  EXPECT_EQ(pod.netns_cookie, 100u);
  EXPECT_EQ(pod.slot, 0u);
  EXPECT_EQ(pod.identity, account("shop", "pay"));
  EXPECT_EQ(pod.addresses, (std::vector{ip("10.1.0.1"), ip("fd00::1")}));
  EXPECT_TRUE(proxy->policy_sets.contains(pod.policy_set[0]));
  EXPECT_EQ(pod.flags & KS_POD_STRICT, static_cast<uint32_t>(KS_POD_STRICT));
  EXPECT_EQ(proxy->identities.at(pod.identity)->name, "cluster.local/ns/shop/sa/pay");
  EXPECT_EQ(proxy->identities.at(pod.identity)->key_material, nullptr);
}

TEST_F(ProxyConfigTest, EveryMeshAddressLeadsToItsWorkloadLocalOrRemote) {
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"});
  mesh.add_remote_pod("node-b", "shop", "web-1", "web", "10.2.0.1", model::PodState::kReady);
  mesh.add_remote_pod("node-b", "shop", "web-2", "web", "10.2.0.2", model::PodState::kJoining);
  const auto proxy = config();
  ASSERT_EQ(proxy->workloads.size(), 3u);
  const auto& local = *proxy->workloads.at(ip("10.1.0.1"));
  EXPECT_EQ(local.name + " " + local.node, "shop/pay-1 node-a");
  EXPECT_TRUE(local.ready);
  const auto& remote = *proxy->workloads.at(ip("10.2.0.1"));
  EXPECT_EQ(remote.name + " " + remote.node, "shop/web-1 node-b");
  EXPECT_EQ(remote.identity, account("shop", "web"));
  EXPECT_TRUE(remote.ready);
  EXPECT_FALSE(proxy->workloads.at(ip("10.2.0.2"))->ready);
}

TEST_F(ProxyConfigTest, AnAddressThatTwoPodsClaimBelongsToTheOneThatTheKernelRowNames) {
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"});
  mesh.add_remote_pod("node-b", "evil", "thief", "mallory", "10.1.0.1", model::PodState::kReady);
  mesh.add_remote_pod("node-b", "shop", "old", "web", "10.2.0.1", model::PodState::kLeaving);
  mesh.add_remote_pod("node-c", "shop", "new", "api", "10.2.0.1", model::PodState::kReady);
  mesh.add_remote_pod("node-d", "shop", "twin", "api", "10.2.0.1", model::PodState::kReady);
  const auto proxy = config();
  EXPECT_EQ(proxy->workloads.at(ip("10.1.0.1"))->name, "shop/pay-1");
  EXPECT_EQ(proxy->workloads.at(ip("10.2.0.1"))->name, "shop/new");
}

TEST_F(ProxyConfigTest, APodThatJoinsOrLeavesIsNotServedYet) {
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"});
  mesh.facts.open_pods = std::exchange(mesh.facts.pods, {});
  const auto proxy = config();
  EXPECT_TRUE(proxy->local_pods.empty());
  EXPECT_TRUE(proxy->workloads.empty());
}

TEST_F(ProxyConfigTest, AServiceIdOfAnAttestationLeadsToItsNameAndPort) {
  mesh.add_service("shop", "pay", {"10.96.0.1", "fd00:96::1"});
  mesh.add_slice("shop", "pay", "pay-x").endpoints = {ready_endpoint("10.2.0.1")};
  const auto proxy = config();
  const auto& service = *proxy->services.at(service_id("shop", "pay", 80, KS_FAMILY_4));
  EXPECT_EQ(service.ns + "/" + service.name, "shop/pay");
  EXPECT_EQ(service.port, 80);
}

TEST_F(ProxyConfigTest, ThePolicyThatDecidedHasAName) {
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"});
  mesh.add_policy("shop", "no", model::PolicyAction::kDeny).rules.emplace_back();
  const auto proxy = config();
  const auto& sets = proxy->local_pods.at("shop-pay-1")->policy_set;
  const auto decision = proxy->decide({sets, 0, 0, ip("10.9.0.1"), 80});
  EXPECT_EQ(decision.reason, Reason::policy_denied);
  EXPECT_EQ(proxy->policy_name(sets, decision.policy), "shop/no");
}

TEST(ProxyConfig, DecidesEveryQuestionAsTheKernelRowsDo) {
  std::mt19937 random(31);
  size_t compared = 0, denied = 0;
  for (uint32_t seed = 1; seed <= 20; seed++) {
    RandomMesh mesh(seed);
    for (int round = 0; round < 40; round++) {
      mesh.edit();
      const Plan plan = compile(mesh.snapshot(), mesh.facts());
      const config::RuntimeConfig& proxy = *plan.proxy;
      std::vector<uint64_t> identities{0, 0, 12345};
      for (const auto& [id, name] : plan.names.identities) identities.push_back(id);
      const auto any = [&](const auto& pool) { return pool[random() % pool.size()]; };
      for (const auto& [uid, pod] : proxy.local_pods) {
        const auto row = value_of<ks_pod>(plan.rows.at({MapId::kPod, bytes_of(pod->netns_cookie)}));
        ASSERT_EQ(pod->policy_set[0], row.policy_set[0]);
        for (int i = 0; i < 8; i++) {
          const PolicyQuestion question{
              pod->policy_set, any(identities), any(identities),
              ip(any(std::vector<std::string>{"10.0.0.1", "10.0.7.7", "10.1.2.3", "10.1.9.9",
                                              "192.168.0.1", "fd00::5", "fd00::6", "2001:db8::1"})),
              any(std::vector<uint16_t>{80, 443, 8080, 9})};
          const Decision expected = decide(plan.rows, question);
          ASSERT_EQ(proxy.decide(question), expected) << "seed " << seed << " round " << round;
          compared++;
          denied += expected.verdict == KS_ALLOW ? 0 : 1;
        }
      }
    }
  }
  EXPECT_GT(compared, 2000u);
  EXPECT_GT(denied, compared / 20);
  EXPECT_LT(denied, compared);
}

}  // namespace
}  // namespace keelson::compile
