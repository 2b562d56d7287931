// Properties of every single write, over thousands of random changes of a small mesh.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>
#include <utility>

#include "compile/compile.h"
#include "kernel_model.h"
#include "map_recorder.h"
#include "mesh_fixture.h"
#include "rollout/rollout.h"

namespace keelson::rollout {
namespace {

using compile::ip;
using compile::Plan;
using compile::RandomMesh;
using compile::Rows;

using SharedPlan = std::shared_ptr<const Plan>;

// Plays agent/pods: a pod that joins or leaves is open until the kernel has its rows.
struct Node {
  KernelModel kernel;

  static bool contains(const std::vector<compile::LocalPod>& pods, uint64_t cookie) {
    return std::any_of(pods.begin(), pods.end(),
                       [&](const auto& pod) { return pod.netns_cookie == cookie; });
  }
  SharedPlan plan_of(const RandomMesh& mesh) {
    compile::NodeFacts facts = mesh.facts();
    const std::vector<compile::LocalPod> wanted = std::exchange(facts.pods, {});
    for (const auto& pod : wanted) {
      known_[pod.netns_cookie] = pod;
      (kernel.hooked.contains(pod.netns_cookie) ? facts.pods : facts.open_pods).push_back(pod);
    }
    for (const uint64_t cookie : kernel.hooked)
      if (!contains(wanted, cookie)) facts.open_pods.push_back(known_.at(cookie));
    wanted_ = wanted;
    return std::make_shared<const Plan>(compile::compile(mesh.snapshot(), facts));
  }
  // The hooks that agent/pods changes once `applied` is in the kernel, one call of `then` for each.
  void change_hooks(const Rows& applied, const std::function<void()>& then) {
    for (const auto& [cookie, pod] : known_) {
      const bool wanted = contains(wanted_, cookie), hooked = kernel.hooked.contains(cookie);
      if (wanted == hooked) continue;
      const auto address =
          applied.find({compile::MapId::kAddress, compile::bytes_of(pod.addresses[0].raw())});
      if (address == applied.end() ||
          compile::value_of<ks_address>(address->second).flags != KS_ADDRESS_OPEN ||
          applied.contains({compile::MapId::kPod, compile::bytes_of(cookie)}))
        continue;
      if (wanted)
        kernel.hooked.insert(cookie);
      else
        kernel.hooked.erase(cookie);
      then();
    }
  }

 private:
  std::map<uint64_t, compile::LocalPod> known_;
  std::vector<compile::LocalPod> wanted_;
};

// Every pod, remote pod and stranger to every local pod, on ports with and without settings.
const std::vector<Connection>& all_connections() {
  static const std::vector<Connection> connections = [] {
    std::vector<Connection> all;
    for (uint32_t to = 0; to < 4; to++)
      for (const uint16_t port : {443, 9}) {
        const uint64_t pod = 100 + to;
        const IpAddress address = ip("10.1.0." + std::to_string(to));
        for (uint32_t from = 0; from < 4; from++)
          if (from != to)
            all.push_back({100 + from, ip("10.1.0." + std::to_string(from)), pod, address, port});
        for (uint32_t from = 0; from < 3; from++)
          all.push_back({0, ip("10.2.0." + std::to_string(from)), pod, address, port});
        all.push_back({0, ip("192.168.0.1"), pod, address, port});
      }
    return all;
  }();
  return connections;
}

std::string describe(const Connection& connection) {
  return connection.source.to_string() + " to " + connection.destination.to_string() + ":" +
         std::to_string(connection.port);
}

template <class Value, class Key>
Value row_or_zero(const Rows& rows, compile::MapId map, const Key& key) {
  const auto found = rows.find({map, compile::bytes_of(key)});
  return found == rows.end() ? Value{} : compile::value_of<Value>(found->second);
}

// Checks each write against the plans that may still be in force: the last one that was applied
// whole, and all that were given since.
struct EveryWrite {
  MapRecorder& maps;
  KernelModel& kernel;
  bool check_allowed_stays = false;
  std::vector<Rows> plans = {};
  std::vector<std::vector<bool>> allowed = {};
  size_t checks = 0;
  size_t exempt = 0;

  std::vector<bool> verdicts(const Rows& rows) {
    std::vector<bool> result;
    for (const auto& connection : all_connections())
      result.push_back(kernel.is_allowed(rows, connection));
    return result;
  }
  void start_over(const Rows& applied) {
    plans.clear();
    allowed.clear();
    add(applied);
  }
  void add(const Rows& rows) {
    plans.push_back(rows);
    allowed.push_back(verdicts(rows));
  }
  void hooks_changed() {
    ASSERT_EQ(verdicts(maps.rows), allowed.back()) << "after a change of hooks";
  }
  // The one case in which a connection that both plans allow may be refused (steps.h): what is
  // known of the source changes together with the receiver's policy or mode, or from one claim to
  // another.
  bool may_be_refused(const Connection& connection) const {
    const Rows &before = plans.front(), &after = plans.back();
    const auto claim = [&](const Rows& rows) {
      return row_or_zero<ks_address>(rows, compile::MapId::kAddress, connection.source.raw())
          .identity;
    };
    const auto proof = [&](const Rows& rows) {
      return row_or_zero<ks_pod>(rows, compile::MapId::kPod, connection.source_pod).identity;
    };
    const auto judge = [&](const Rows& rows) {
      const auto pod = row_or_zero<ks_pod>(rows, compile::MapId::kPod, connection.destination_pod);
      const auto port =
          row_or_zero<ks_port>(rows, compile::MapId::kPort,
                               ks_port_key{connection.destination_pod, connection.port, 0, 0});
      return std::tuple(pod.policy_set[0], pod.flags, port.flags);
    };
    const bool other_claim = claim(before) != claim(after);
    if (other_claim && claim(before) != 0 && claim(after) != 0) return true;
    // The Pod object is gone, and the pod with it; its row still denies what its identity is
    // denied.
    if (connection.source_pod != 0 && other_claim && claim(after) == 0) return true;
    const bool receiver_stays = is_enrolled(before, connection) && is_enrolled(after, connection);
    return (other_claim || proof(before) != proof(after)) && receiver_stays &&
           judge(before) != judge(after);
  }
  static bool is_enrolled(const Rows& rows, const Connection& connection) {
    return rows.contains({compile::MapId::kPod, compile::bytes_of(connection.destination_pod)});
  }
  void operator()(const compile::RowKey& written) {
    checks++;
    const std::string where =
        " after a write to map " + std::to_string(static_cast<int>(written.map));
    ASSERT_EQ(broken_reference(maps.rows), "") << where;
    if (written.map > compile::MapId::kSet) {
      // Rows of a set without its head are seen by nobody: no verdict can change.
      const compile::RowKey head{compile::MapId::kSet, compile::bytes_of(set_of(written))};
      ASSERT_FALSE(maps.rows.contains(head)) << "a complete set changes" << where;
      return;
    }
    if (written.map == compile::MapId::kSet)
      for (const Rows& plan : plans) {
        ASSERT_FALSE(has_incomplete_set(maps.rows, plan)) << where;
      }
    const std::vector<bool> now = verdicts(maps.rows);
    for (size_t i = 0; i < now.size(); i++) {
      bool by_some = false, by_all = true;
      for (const auto& plan : allowed) {
        by_some = by_some || plan[i];
        by_all = by_all && plan[i];
      }
      ASSERT_TRUE(by_some || !now[i]) << "fails open: " << describe(all_connections()[i]) << where;
      if (!check_allowed_stays || now[i] || !by_all) continue;
      ASSERT_TRUE(may_be_refused(all_connections()[i]))
          << "breaks what both plans allow: " << describe(all_connections()[i]) << where;
      exempt++;
    }
  }
};

TEST(RolloutOrder, NoWriteAndNoHookFailsOpenNorBreaksWhatBothPlansAllow) {
  size_t checks = 0, exempt = 0;
  for (uint32_t seed = 0; seed < 30; seed++) {
    RandomMesh mesh(seed);
    Node node;
    MapRecorder maps;
    ProxyStub proxy;
    proxy.connected = false;
    Rollout rollout(maps, proxy);
    ASSERT_TRUE(rollout.apply(node.plan_of(mesh)));
    EveryWrite check{maps, node.kernel, true};
    maps.after_write = [&](const auto& row) { check(row); };
    for (int step = 0; step < 25; step++) {
      mesh.edit();
      const SharedPlan plan = node.plan_of(mesh);
      check.start_over(maps.rows);
      check.add(plan->rows);
      ASSERT_TRUE(rollout.apply(plan));
      ASSERT_EQ(maps.rows, plan->rows);
      ASSERT_EQ(rollout.applied(), plan->rows);
      node.change_hooks(maps.rows, [&] { check.hooks_changed(); });
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " step " << step;
    }
    checks += check.checks;
    exempt += check.exempt;
  }
  EXPECT_GT(checks, 5'000u);
  EXPECT_LT(exempt, checks / 100) << "the exempt case is rare";
}

TEST(RolloutOrder, NoWriteFailsOpenWhenPlansSupersedeEachOtherAndWritesFail) {
  for (uint32_t seed = 100; seed < 120; seed++) {
    RandomMesh mesh(seed);
    Node node;
    std::mt19937 random(seed);
    MapRecorder maps;
    ProxyStub proxy;
    auto rollout = std::make_unique<Rollout>(maps, proxy);
    EveryWrite check{maps, node.kernel};
    check.start_over(maps.rows);
    maps.after_write = [&](const auto& row) { check(row); };
    for (int step = 0; step < 25; step++) {
      mesh.edit();
      const SharedPlan plan = node.plan_of(mesh);
      check.add(plan->rows);
      if (random() % 3 == 0) maps.fail_at = maps.writes + random() % 8;
      if (random() % 5 == 0) rollout = std::make_unique<Rollout>(maps, proxy);  // agent restart
      (void)rollout->apply(plan);
      if (random() % 2 == 0) continue;  // superseded while it waits, or after a failure
      maps.fail_at.reset();
      ASSERT_TRUE(rollout->retry());
      if (const uint64_t ticket = rollout->waiting_for(); ticket != 0) {
        ASSERT_TRUE(rollout->on_published(ticket));
      }
      ASSERT_EQ(rollout->phase(), Phase::kIdle);
      ASSERT_EQ(maps.rows, plan->rows);
      node.change_hooks(maps.rows, [] {});
      check.start_over(maps.rows);
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " step " << step;
    }
    EXPECT_GT(check.checks, 50u);
  }
}

TEST(RolloutOrder, StepsMadeAgainAfterAnyPrefixStillEndAtThePlan) {
  RandomMesh mesh(7);
  Node node;
  Rows applied;
  for (int step = 0; step < 200; step++) {
    mesh.edit();
    const SharedPlan plan = node.plan_of(mesh);
    const Steps steps = make_steps(applied, plan->rows);
    for (const auto& write : steps.tighten)
      if (write.value)
        applied[write.row] = *write.value;
      else
        applied.erase(write.row);
    const Steps again = make_steps(applied, plan->rows);
    EXPECT_TRUE(again.tighten.empty()) << "step " << step;
    EXPECT_EQ(again.size(), steps.steer.size() + steps.relax.size() + steps.retire.size());
    for (const auto* phase : {&again.steer, &again.relax, &again.retire})
      for (const auto& write : *phase)
        if (write.value)
          applied[write.row] = *write.value;
        else
          applied.erase(write.row);
    ASSERT_EQ(applied, plan->rows);
    node.change_hooks(applied, [] {});
    ASSERT_EQ(make_steps(applied, plan->rows).size(), 0u);
  }
}

}  // namespace
}  // namespace keelson::rollout
