#include "rollout/rollout.h"

#include <gtest/gtest.h>

#include "compile/compile.h"
#include "config/runtime_config.h"
#include "map_recorder.h"
#include "mesh_fixture.h"
#include "no_proxy_publisher.h"

namespace keelson::rollout {
namespace {

using compile::bytes_of;
using compile::MapId;
using compile::Mesh;
using compile::Plan;
using compile::value_of;
using model::MtlsMode;
using model::PolicyAction;

constexpr uint64_t kPay = 100;

std::shared_ptr<const Plan> plan_of(Mesh& mesh) {
  mesh.snapshot.generation++;
  return std::make_shared<const Plan>(compile::compile(mesh.snapshot, mesh.facts));
}

Mesh shop() {
  Mesh mesh;
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"});
  return mesh;
}

ks_pod pay_row(const MapRecorder& maps) {
  return value_of<ks_pod>(maps.rows.at({MapId::kPod, bytes_of(kPay)}));
}

// A mesh in the kernel before a proxy came, which has come now.
struct Applied {
  explicit Applied(Mesh& mesh) {
    proxy.connected = false;
    EXPECT_TRUE(rollout.apply(plan_of(mesh)));
    proxy.connected = true;
  }
  MapRecorder maps;
  ProxyStub proxy;
  Rollout rollout{maps, proxy};
};

TEST(Rollout, AnUnchangedPlanAndARestartWriteNothing) {
  Mesh mesh = shop();
  mesh.add_policy("shop", "deny", PolicyAction::kDeny).rules.emplace_back();
  MapRecorder maps;
  NoProxyPublisher nobody;
  Rollout rollout(maps, nobody);
  EXPECT_GT(rollout.apply(plan_of(mesh)).value(), 0u);
  EXPECT_EQ(rollout.apply(plan_of(mesh)).value(), 0u);
  Rollout restarted(maps, nobody);
  EXPECT_EQ(restarted.apply(plan_of(mesh)).value(), 0u);
  EXPECT_EQ(restarted.applied_generation(), 3u);
}

TEST(Rollout, AProxyThatDoesNotAcknowledgeHoldsBackRelaxingButNotDenying) {
  Mesh mesh = shop();
  Applied applied(mesh);
  auto& [maps, proxy, rollout] = applied;

  mesh.add_policy("shop", "nobody", PolicyAction::kAllow);
  mesh.add_peer_authentication("shop", "strict", MtlsMode::kStrict);
  ASSERT_TRUE(rollout.apply(plan_of(mesh)));
  const uint64_t nobody = pay_row(maps).policy_set[0];
  EXPECT_NE(nobody, 0u);
  EXPECT_EQ(pay_row(maps).flags, uint32_t{KS_POD_STRICT});

  mesh.add_policy("shop", "nobody", PolicyAction::kAllow).rules.emplace_back();
  mesh.add_peer_authentication("shop", "strict", MtlsMode::kPermissive);
  auto relaxing = plan_of(mesh);
  ASSERT_TRUE(rollout.apply(relaxing));
  EXPECT_EQ(rollout.phase(), Phase::kPublish);
  EXPECT_EQ(pay_row(maps).policy_set[0], nobody);
  EXPECT_NE(pay_row(maps).policy_set[1], 0u);
  EXPECT_EQ(pay_row(maps).flags, uint32_t{KS_POD_STRICT});

  EXPECT_EQ(rollout.on_published(rollout.waiting_for() - 1).value(), 0u) << "an older one";
  EXPECT_EQ(rollout.phase(), Phase::kPublish);
  ASSERT_TRUE(rollout.on_published(rollout.waiting_for()));
  EXPECT_EQ(rollout.phase(), Phase::kIdle);
  EXPECT_EQ(maps.rows, relaxing->rows);
}

TEST(Rollout, ANewerPlanSupersedesOneThatWaits) {
  Mesh mesh = shop();
  MapRecorder maps;
  ProxyStub proxy;
  Rollout rollout(maps, proxy);
  ASSERT_TRUE(rollout.apply(plan_of(mesh)));
  const uint64_t first = rollout.waiting_for();
  mesh.add_policy("shop", "nobody", PolicyAction::kAllow);
  auto newer = plan_of(mesh);
  ASSERT_TRUE(rollout.apply(newer));
  EXPECT_EQ(rollout.on_published(first).value(), 0u);
  EXPECT_EQ(rollout.phase(), Phase::kPublish);
  ASSERT_TRUE(rollout.on_published(rollout.waiting_for()));
  EXPECT_EQ(maps.rows, newer->rows);
}

TEST(Rollout, APlanForOtherNodeFactsOfOneGenerationIsPublishedUnderANewNumber) {
  Mesh mesh = shop();
  MapRecorder maps;
  ProxyStub proxy;
  Rollout rollout(maps, proxy);
  ASSERT_TRUE(rollout.apply(plan_of(mesh)));
  mesh.facts.pods[0].grace_until_ns = 5;
  ASSERT_TRUE(
      rollout.apply(std::make_shared<const Plan>(compile::compile(mesh.snapshot, mesh.facts))));
  ASSERT_EQ(proxy.published.size(), 2u);
  EXPECT_LT(proxy.published[0], proxy.published[1]);
}

TEST(Rollout, AProxyThatGoesAwayIsWaitedForNoLonger) {
  Mesh mesh = shop();
  MapRecorder maps;
  ProxyStub proxy;
  Rollout rollout(maps, proxy);
  auto plan = plan_of(mesh);
  ASSERT_TRUE(rollout.apply(plan));
  EXPECT_EQ(rollout.phase(), Phase::kPublish);
  ASSERT_TRUE(rollout.on_proxy_lost());
  EXPECT_EQ(maps.rows, plan->rows);
}

TEST(Rollout, EndpointsAndServicesWithoutL7DoNotWaitForTheProxy) {
  Mesh mesh = shop();
  Applied applied(mesh);
  auto& [maps, proxy, rollout] = applied;
  mesh.add_service("shop", "pay", {"10.96.0.1"});
  mesh.add_slice("shop", "pay", "pay-1").endpoints.push_back(compile::ready_endpoint("10.1.0.1"));
  ASSERT_TRUE(rollout.apply(plan_of(mesh)));
  EXPECT_EQ(rollout.phase(), Phase::kIdle);
  EXPECT_TRUE(proxy.published.empty());
}

TEST(Rollout, TheProxyKnowsARouteBeforeItsServiceIsCapturedAndNotAfterItsRelease) {
  Mesh mesh = shop();
  mesh.add_service("shop", "pay", {"10.96.0.1"});
  Applied applied(mesh);
  auto& [maps, proxy, rollout] = applied;
  const auto is_captured = [&rows = maps.rows] {
    for (const auto& [key, value] : rows)
      if (key.map == MapId::kService)
        return (value_of<ks_service>(value).flags & KS_SERVICE_L7) != 0;
    return false;
  };

  auto route = std::make_shared<model::HttpRoute>();
  route->meta.key = {model::Kind::kHttpRoute, "shop", "r"};
  route->parents = {{"shop", "pay", 0, "", 0}};
  mesh.snapshot.http_routes[route->meta.key] = route;
  ASSERT_TRUE(rollout.apply(plan_of(mesh)));
  EXPECT_EQ(rollout.phase(), Phase::kPublish);
  EXPECT_FALSE(is_captured());
  ASSERT_TRUE(rollout.on_published(proxy.published.back()));
  EXPECT_TRUE(is_captured());
  EXPECT_EQ(rollout.apply(plan_of(mesh)).value(), 0u);

  const size_t published = proxy.published.size();
  mesh.snapshot.http_routes.clear();
  const auto without = plan_of(mesh);
  EXPECT_EQ(rollout.apply(without).value(), 1u);
  EXPECT_EQ(rollout.phase(), Phase::kIdle);
  EXPECT_FALSE(is_captured());
  EXPECT_EQ(proxy.published.size(), published) << "released at once, whatever the proxy does";
  const uint64_t id = without->proxy->services.begin()->first;
  EXPECT_TRUE(without->proxy->endpoints.contains(id)) << "for connections that were captured";
}

TEST(Rollout, AFailedWriteIsReportedAndRetriedFromWhatWasWritten) {
  Mesh mesh = shop();
  mesh.add_policy("shop", "nobody", PolicyAction::kAllow);
  auto plan = plan_of(mesh);
  for (size_t failing = 0; failing < plan->rows.size(); failing++) {
    MapRecorder maps;
    NoProxyPublisher nobody;
    Rollout rollout(maps, nobody);
    maps.fail_at = failing;
    auto first = rollout.apply(plan);
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().reason, Reason::map_write_failed);
    EXPECT_EQ(rollout.applied(), maps.rows);
    EXPECT_EQ(rollout.write_failures(), 1u);
    EXPECT_EQ(rollout.applied_generation(), 0u);
    EXPECT_EQ(rollout.retry().value(), plan->rows.size() - failing);
    EXPECT_EQ(maps.rows, plan->rows);
    EXPECT_EQ(rollout.retry().value(), 0u);
  }
}

TEST(Steps, ASetThatIsCompleteButWrongDeniesWhileItIsRepaired) {
  Mesh mesh = shop();
  mesh.add_policy("shop", "nobody", PolicyAction::kAllow);
  auto plan = plan_of(mesh);
  compile::Rows damaged = plan->rows;
  uint64_t set = 0;
  for (const auto& [key, value] : plan->rows)
    if (key.map == MapId::kPolicy) {
      set = value_of<uint64_t>(key.key);
      auto row = value_of<ks_policy>(value);
      row.verdict = KS_ALLOW;
      damaged[key] = bytes_of(row);
      break;
    }
  const Steps steps = make_steps(damaged, plan->rows);
  ASSERT_EQ(steps.tighten.size(), 3u);
  EXPECT_FALSE(steps.tighten.front().value);
  EXPECT_EQ(steps.tighten.front().row.key, bytes_of(set));
  EXPECT_EQ(steps.tighten.back().row.key, bytes_of(set));
  EXPECT_EQ(steps.size(), 3u);
}

TEST(Steps, ThePodsRowComesBeforeItsAddressAndGoesAfterIt) {
  Mesh mesh = shop();
  auto with = plan_of(mesh);
  const Steps join = make_steps({}, with->rows);
  std::vector<MapId> order;
  for (const auto& write : join.steer) order.push_back(write.row.map);
  EXPECT_EQ(order, (std::vector{MapId::kPod, MapId::kPod, MapId::kAddress, MapId::kInterface}));
  const Steps leave = make_steps(with->rows, {});
  order.clear();
  for (const auto& write : leave.relax) order.push_back(write.row.map);
  EXPECT_EQ(order, (std::vector{MapId::kInterface, MapId::kAddress, MapId::kPod, MapId::kPod}));
}

// A proxy that knew first dialled the pod in the clear, which the kernel refused: role_violation.
TEST(Steps, ThatAnotherNodesPodIsReadyNoMoreIsInTheKernelBeforeTheProxyHearsOfIt) {
  const compile::RowKey row{MapId::kAddress, bytes_of(compile::ip("10.2.0.1").raw())};
  const auto remote = [](uint32_t flags, uint64_t identity) {
    return bytes_of(ks_address{0, identity, KS_ADDRESS_REMOTE | flags, 0});
  };
  // With whatever is known of it from now on: the old claim in the clear is of no plan.
  const compile::Rows ready{{row, remote(KS_ADDRESS_READY, 7)}};
  for (const uint64_t claim : {0, 7, 8}) {
    const Steps steps = make_steps(ready, compile::Rows{{row, remote(0, claim)}});
    ASSERT_EQ(steps.tighten.size(), 1u);
    EXPECT_EQ(steps.tighten[0].value, remote(0, claim));
    EXPECT_EQ(steps.size(), 1u);
    EXPECT_TRUE(steps.needs_proxy);
  }
  const Steps gone = make_steps(ready, {});
  EXPECT_EQ(gone.steer.size(), 1u);
  EXPECT_EQ(gone.size(), 1u);
}

TEST(Steps, AnL7FlagGoesOnWithSteerAndOffWithRelax) {
  Mesh mesh = shop();
  auto plan = plan_of(mesh);
  compile::Rows l7 = plan->rows;
  auto pod = value_of<ks_pod>(l7.at({MapId::kPod, bytes_of(kPay)}));
  pod.flags |= KS_POD_L7;
  l7[{MapId::kPod, bytes_of(kPay)}] = bytes_of(pod);
  const Steps on = make_steps(plan->rows, l7);
  EXPECT_EQ(on.steer.size(), 1u);
  EXPECT_EQ(on.size(), 1u);
  EXPECT_TRUE(on.needs_proxy);
  const Steps off = make_steps(l7, plan->rows);
  EXPECT_EQ(off.relax.size(), 1u);
  EXPECT_EQ(off.size(), 1u);
}

TEST(Steps, AShrinkingServiceLosesItsCountBeforeItsBackends) {
  Mesh mesh = shop();
  mesh.add_service("shop", "pay", {"10.96.0.1"});
  auto& slice = mesh.add_slice("shop", "pay", "pay-1");
  slice.endpoints.push_back(compile::ready_endpoint("10.1.0.1"));
  slice.endpoints.push_back(compile::ready_endpoint("10.1.0.2"));
  auto two = plan_of(mesh);
  mesh.add_slice("shop", "pay", "pay-1").endpoints.push_back(compile::ready_endpoint("10.1.0.2"));
  const Steps steps = make_steps(two->rows, plan_of(mesh)->rows);
  ASSERT_EQ(steps.steer.size(), 2u);
  EXPECT_EQ(steps.steer[0].row.map, MapId::kBackend);
  EXPECT_EQ(steps.steer[1].row.map, MapId::kService);
  ASSERT_EQ(steps.retire.size(), 1u);
  EXPECT_EQ(steps.retire[0].row.map, MapId::kBackend);
  EXPECT_FALSE(steps.needs_proxy);
}

}  // namespace
}  // namespace keelson::rollout
