#include "proxy/upstream/target.h"

#include <gtest/gtest.h>

namespace keelson::proxy {
namespace {

using Way = Target::Way;

constexpr uint64_t kCart = 1, kPay = 2;
constexpr uint64_t kCartOnly = 50, kUnknownSet = 51, kClaims = 52;

IpAddress ip(const std::string& text) {
  return *IpAddress::parse(text);
}

// Node "a" with cart and pay; a pod of node "b"; one there that is not ready; a record without pod.
struct World {
  World() {
    runtime->node_name = "a";
    cart = add_pod("cart", kCart, {"10.0.0.1", "fd00::1"});
    add_pod("pay", kPay, {"10.0.0.2", "fd00::2"});
    add_workload("10.0.1.1", "shop/ads", kPay, "b", true);
    add_workload("10.0.1.2", "shop/starting", kPay, "b", false);
    add_workload("10.0.0.9", "shop/ghost", kPay, "a", true);
    auto only_cart = std::make_shared<config::PolicySet>();
    only_cart->identity_class_default = 1;
    only_cart->identities[kCart] = 2;
    only_cart->rows[{1, 0, 0}] = policy(KS_DENY, 0);
    only_cart->rows[{2, 0, 0}] = policy(KS_ALLOW, 0);
    only_cart->ports[99] = 1;
    only_cart->addresses = {{*IpPrefix::parse("10.0.0.7/32"), 1}};
    only_cart->rows[{2, 0, 1}] = policy(KS_DENY, 1);
    only_cart->rows[{2, 1, 0}] = policy(KS_DENY, 1);
    runtime->policy_sets[kCartOnly] = only_cart;
  }
  static ks_policy policy(ks_verdict verdict, uint8_t deny_matched) {
    ks_policy made{};
    made.verdict = static_cast<decltype(made.verdict)>(verdict);
    made.deny_matched = deny_matched;
    return made;
  }
  std::shared_ptr<config::LocalPod> add_pod(const std::string& name, uint64_t identity,
                                            const std::vector<std::string>& addresses) {
    auto pod = std::make_shared<config::LocalPod>();
    pod->uid = "uid-" + name;
    pod->ns = "shop";
    pod->name = name;
    pod->netns_cookie = identity + 100;
    pod->identity = identity;
    for (const std::string& address : addresses) {
      pod->addresses.push_back(ip(address));
      add_workload(address, "shop/" + name, identity, "a", true);
    }
    runtime->local_pods[pod->uid] = pod;
    return pod;
  }
  void add_workload(const std::string& address, const std::string& name, uint64_t identity,
                    const std::string& node, bool ready) {
    runtime->workloads[ip(address)] =
        std::make_shared<const config::Workload>(config::Workload{name, identity, node, ready});
  }
  // The pods of a configuration do not change; tests do it before anybody looks.
  config::LocalPod& pod(const std::string& name) {
    return const_cast<config::LocalPod&>(*runtime->local_pods.at("uid-" + name));
  }
  ServingConfig config() const {
    std::vector<Error> findings;
    return *make_serving_config(runtime, nullptr, findings);
  }
  Result<Target> resolve(const std::string& address, uint16_t port = 80) const {
    return resolve_target(config(), cart, {ip(address), port});
  }
  config::Decision judge_of(const std::string& address, uint16_t port, const char* client) const {
    auto target = resolve(address, port);
    EXPECT_TRUE(target);
    target->client = {ip(client), 40000};
    return judge(config(), *target);
  }

  std::shared_ptr<config::RuntimeConfig> runtime = std::make_shared<config::RuntimeConfig>();
  std::shared_ptr<const config::LocalPod> cart;
};

struct WayCase {
  const char* name;
  const char* address;
  uint32_t source_flags, receiver_flags;
  Way way;
  uint64_t identity;
  const char* workload;
};
class TargetWay : public testing::TestWithParam<WayCase> {};

TEST_P(TargetWay, IsTheKernels) {
  const WayCase& c = GetParam();
  World world;
  world.pod("cart").flags = c.source_flags;
  world.pod("pay").flags = c.receiver_flags;
  const auto target = world.resolve(c.address);
  ASSERT_TRUE(target) << target.error().message();
  EXPECT_EQ(target->way, c.way);
  EXPECT_EQ(target->destination_identity, c.identity);
  EXPECT_EQ(target->workload, c.workload);
  EXPECT_EQ(target->source, world.cart);
  EXPECT_EQ(target->destination.address, ip(c.address));
  EXPECT_EQ(target->receiver != nullptr, c.way == Way::kLocal);
  EXPECT_TRUE(!target->receiver || target->receiver->owns(ip(c.address)));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, TargetWay,
    testing::Values(
        WayCase{"LocalPod", "10.0.0.2", 0, 0, Way::kLocal, kPay, "shop/pay"},
        WayCase{"LocalPodByIpv6", "fd00::2", 0, 0, Way::kLocal, kPay, "shop/pay"},
        WayCase{"StrictDoesNotMatterWithinTheNode", "10.0.0.2", 0, KS_POD_STRICT, Way::kLocal, kPay,
                "shop/pay"},
        WayCase{"ReceiverWantsMtls", "10.0.0.2", 0, KS_POD_LOCAL_MTLS, Way::kHbone, kPay,
                "shop/pay"},
        WayCase{"SourceWantsMtls", "10.0.0.2", KS_POD_LOCAL_MTLS, 0, Way::kHbone, kPay, "shop/pay"},
        WayCase{"Itself", "10.0.0.1", 0, 0, Way::kLocal, kCart, "shop/cart"},
        WayCase{"ItselfIsNoCaseForMtls", "10.0.0.1", KS_POD_LOCAL_MTLS, 0, Way::kLocal, kCart,
                "shop/cart"},
        WayCase{"OtherNode", "10.0.1.1", 0, 0, Way::kHbone, kPay, "shop/ads"},
        WayCase{"NotReadyThere", "10.0.1.2", 0, 0, Way::kEgress, 0, ""},
        WayCase{"OutsideTheMesh", "192.0.2.1", KS_POD_LOCAL_MTLS, 0, Way::kEgress, 0, ""}),
    [](const auto& test) { return test.param.name; });

TEST(Target, OfALocalAddressWithoutPodIsRefused) {
  EXPECT_EQ(World().resolve("10.0.0.9").error().reason, Reason::pod_record_missing);
}

TEST(Target, IsNeverTheHbonePort) {
  World world;
  for (const char* address : {"10.0.0.2", "10.0.1.1", "192.0.2.1"})
    EXPECT_EQ(world.resolve(address, KS_HBONE_PORT).error().reason, Reason::hbone_port_dial);
}

TEST(Target, ShowsAClientOfItsOwnFamily) {
  World world;
  auto target = world.resolve("10.0.0.2");
  target->client = {ip("10.0.0.1"), 40000};
  EXPECT_EQ(target->visible_client(), target->client);
  target->client = {ip("fd00::1"), 40000};
  EXPECT_EQ(target->visible_client(), (Endpoint{ip("10.0.0.1"), 40000}));
}

struct JudgeCase {
  const char* name;
  uint64_t source_identity;
  std::array<uint64_t, 2> sets;
  uint32_t receiver_flags;
  uint16_t port;
  const char* client;
  Reason reason;  // none: allowed
};
class TargetJudge : public testing::TestWithParam<JudgeCase> {};

TEST_P(TargetJudge, IsTheKernelsForDirectTraffic) {
  const JudgeCase& c = GetParam();
  World world;
  world.pod("cart").identity = c.source_identity;
  world.add_workload("10.0.0.1", "shop/cart", c.source_identity, "a", true);
  world.pod("pay").policy_set = c.sets;
  world.pod("pay").flags = c.receiver_flags;
  const config::Decision decision = world.judge_of("10.0.0.2", c.port, c.client);
  EXPECT_EQ(decision.reason, c.reason);
  EXPECT_EQ(decision.verdict == KS_ALLOW, c.reason == Reason::none);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, TargetJudge,
    testing::Values(
        JudgeCase{"NoPolicy", 9, {0, 0}, 0, 80, "10.0.0.1", Reason::none},
        JudgeCase{"Strict", 9, {0, 0}, KS_POD_STRICT, 80, "10.0.0.1", Reason::none},
        JudgeCase{"Allowed", kCart, {kCartOnly, 0}, 0, 80, "10.0.0.1", Reason::none},
        JudgeCase{"NotAllowed", 9, {kCartOnly, 0}, 0, 80, "10.0.0.1", Reason::not_allowed},
        JudgeCase{"DeniedPort", kCart, {kCartOnly, 0}, 0, 99, "10.0.0.1", Reason::policy_denied},
        JudgeCase{"DeniedAddress", kCart, {kCartOnly, 0}, 0, 80, "10.0.0.7", Reason::policy_denied},
        JudgeCase{"EachSetMustAllow", 9, {0, kCartOnly}, 0, 80, "10.0.0.1", Reason::not_allowed},
        JudgeCase{
            "SetIsMissing", kCart, {kUnknownSet, 0}, 0, 80, "10.0.0.1", Reason::policy_missing},
        JudgeCase{
            "NeedsL7Checks", kCart, {0, 0}, KS_POD_L7, 80, "10.0.0.1", Reason::l7_unavailable}),
    [](const auto& test) { return test.param.name; });

TEST(Target, IsDeniedToWhomClaimsADeniedIdentity) {
  World world;
  auto set = std::make_shared<config::PolicySet>();
  set->identities = {{kCart, 2}, {9, 3}};
  set->rows[{2, 0, 0}] = World::policy(KS_ALLOW, 0);
  set->rows[{3, 0, 0}] = World::policy(KS_DENY, 1);
  world.runtime->policy_sets[kClaims] = set;
  world.pod("pay").policy_set = {kClaims, 0};
  world.add_workload("10.0.0.8", "shop/mallory", 9, "b", true);
  EXPECT_EQ(world.judge_of("10.0.0.2", 80, "10.0.0.1").reason, Reason::none);
  EXPECT_EQ(world.judge_of("10.0.0.2", 80, "10.0.0.8").reason, Reason::claimed_denied);
}

TEST(Target, WithinOnePodIsNotJudged) {
  World world;
  world.pod("cart").policy_set = {kUnknownSet, 0};
  EXPECT_EQ(world.judge_of("10.0.0.1", 80, "10.0.0.1").verdict, KS_ALLOW);
}

TEST(Target, WhoseReceiverIsGoneIsDenied) {
  World world;
  const auto target = world.resolve("10.0.0.2");
  world.runtime->local_pods.erase("uid-pay");
  EXPECT_EQ(judge(world.config(), *target).reason, Reason::pod_unknown);
}

TEST(Target, BehindHboneOrOutsideIsJudgedElsewhere) {
  World world;
  world.pod("pay").policy_set = {kUnknownSet, 0};
  world.pod("pay").flags = KS_POD_LOCAL_MTLS;
  for (const char* address : {"10.0.0.2", "10.0.1.1", "192.0.2.1"})
    EXPECT_EQ(world.judge_of(address, 80, "10.0.0.1").verdict, KS_ALLOW) << address;
}

}  // namespace
}  // namespace keelson::proxy
