#include "proxy/scheduler.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace keelson::proxy {
namespace {

constexpr size_t kMiB = 1u << 20;

// Moves `cost` bytes a run for as long as it has work.
class Work final : public hbone::Runnable {
 public:
  Work(Scheduler& scheduler, std::string_view tenant, size_t cost, size_t runs_wanted = SIZE_MAX)
      : Runnable(scheduler, scheduler.tenant(tenant).id()), cost_(cost), runs_left_(runs_wanted) {
    wake();
  }
  bool begins_handshake() const noexcept override { return is_handshake; }

  size_t moved = 0;
  size_t runs = 0;
  size_t largest_budget = 0;
  bool is_handshake = false;
  std::function<void()> in_run;

 private:
  size_t run(size_t budget) override {
    runs++;
    largest_budget = std::max(largest_budget, budget);
    const size_t now = std::min(cost_, budget);
    moved += now;
    if (--runs_left_ > 0) wake();
    if (in_run) in_run();
    return now;
  }
  const size_t cost_;
  size_t runs_left_;
};

struct Bench {
  size_t told = 0;
  Scheduler scheduler{[this] { told++; }};
};

TEST(Scheduler, GivesTenantsEqualBytesWhateverTheirNumberOfConnections) {
  Bench bench;
  std::vector<std::unique_ptr<Work>> crowd;
  for (int i = 0; i < 100; i++)
    crowd.push_back(std::make_unique<Work>(bench.scheduler, "crowd", kMiB));
  Work alone(bench.scheduler, "alone", kMiB);
  for (int turn = 0; turn < 200; turn++) EXPECT_TRUE(bench.scheduler.run_turn());
  size_t crowd_moved = 0;
  for (const auto& work : crowd) crowd_moved += work->moved;
  EXPECT_NEAR(static_cast<double>(alone.moved) / static_cast<double>(crowd_moved), 1.0, 0.05);
}

TEST(Scheduler, GivesTenantsEqualBytesWhateverTheSizeOfARun) {
  Bench bench;
  Work sips(bench.scheduler, "sips", kRunCostBytesMin);  // a smaller one is charged as much
  Work gulps(bench.scheduler, "gulps", 50000);
  for (int turn = 0; turn < 200; turn++) bench.scheduler.run_turn();
  // The end of a quantum is a small run, charged as one of the least cost: gulps have more of them.
  EXPECT_NEAR(static_cast<double>(sips.moved) / static_cast<double>(gulps.moved), 1.0, 0.15);
}

TEST(Scheduler, SharesATenantsTurnAmongItsConnections) {
  Bench bench;
  Work first(bench.scheduler, "shop", kMiB);
  Work second(bench.scheduler, "shop", kMiB);
  for (int turn = 0; turn < 50; turn++) bench.scheduler.run_turn();
  EXPECT_NEAR(static_cast<double>(first.moved) / static_cast<double>(second.moved), 1.0, 0.05);
}

TEST(Scheduler, NeverOffersMoreThanTheQuantum) {
  Bench bench;
  Work work(bench.scheduler, "shop", kMiB);
  for (int turn = 0; turn < 10; turn++) bench.scheduler.run_turn();
  EXPECT_EQ(work.largest_budget, kTenantQuantumBytes);
}

TEST(Scheduler, ChargesRunsThatMoveNothing) {
  Bench bench;
  Work spinning(bench.scheduler, "shop", 0);
  EXPECT_TRUE(bench.scheduler.run_turn());
  EXPECT_EQ(spinning.runs, kTurnBytes / kRunCostBytesMin);
}

// Seen in the fairness scenario: one turn ran all 256 requests of a flood, some 10 ms, before the
// loop looked for others again.
TEST(Scheduler, LetsALatecomerWaitForAFewRunsOfAFloodOnly) {
  Bench bench;
  std::vector<std::unique_ptr<Work>> flood;
  for (int i = 0; i < 256; i++)
    flood.push_back(std::make_unique<Work>(bench.scheduler, "flood", 100));
  const auto flooded = [&] {
    size_t runs = 0;
    for (const auto& each : flood) runs += each->runs;
    return runs;
  };
  for (int turn = 0; turn < 5; turn++) bench.scheduler.run_turn();
  const size_t before = flooded();
  Work late(bench.scheduler, "calm", 100, 1);  // as if an event came between two turns
  for (int turn = 0; turn < 100 && late.runs == 0; turn++) bench.scheduler.run_turn();
  EXPECT_EQ(late.runs, 1u);
  EXPECT_LE(flooded() - before, 32u) << "of some 10 us each";
}

TEST(Scheduler, EndsATurnWithinItsBudget) {
  Bench bench;
  Work first(bench.scheduler, "a", kMiB);
  Work second(bench.scheduler, "b", kMiB);
  bench.scheduler.run_turn();
  EXPECT_LE(first.moved + second.moved, kTurnBytes + kTenantQuantumBytes);
}

TEST(Scheduler, LetsNobodySaveUpWhileIdle) {
  Bench bench;
  Work late(bench.scheduler, "late", 1000, 1);
  for (int turn = 0; turn < 20; turn++) bench.scheduler.run_turn();  // idle nearly all the time
  Work busy(bench.scheduler, "busy", kMiB);
  Work again(bench.scheduler, "late", kMiB);
  bench.scheduler.run_turn();
  EXPECT_LE(again.moved, busy.moved + kTenantQuantumBytes);
}

TEST(Scheduler, BeginsOnlySoManyHandshakesPerTurn) {
  Bench bench;
  std::vector<std::unique_ptr<Work>> handshakes;
  for (int i = 0; i < 3 * kHandshakesPerTurn; i++) {
    handshakes.push_back(std::make_unique<Work>(bench.scheduler, "burst", 100, 1));
    handshakes.back()->is_handshake = true;
  }
  Work bytes(bench.scheduler, "calm", 1000, 3);
  const auto begun = [&] {
    size_t count = 0;
    for (const auto& each : handshakes) count += each->runs;
    return count;
  };
  EXPECT_TRUE(bench.scheduler.run_turn());
  EXPECT_EQ(begun(), static_cast<size_t>(kHandshakesPerTurn));
  EXPECT_EQ(bytes.runs, 3u) << "others' bytes must not wait for handshakes";
  EXPECT_TRUE(bench.scheduler.run_turn());
  EXPECT_FALSE(bench.scheduler.run_turn());
  EXPECT_EQ(begun(), static_cast<size_t>(3 * kHandshakesPerTurn));
}

TEST(Scheduler, ForgetsWorkThatIsDestroyedWhileItWaits) {
  Bench bench;
  auto first = std::make_unique<Work>(bench.scheduler, "shop", 10, 1);
  auto middle = std::make_unique<Work>(bench.scheduler, "shop", 10, 1);
  Work last(bench.scheduler, "shop", 10, 1);
  first.reset();
  middle.reset();
  EXPECT_FALSE(bench.scheduler.run_turn());
  EXPECT_EQ(last.runs, 1u);
}

TEST(Scheduler, ForgetsDeferredHandshakesThatAreDestroyed) {
  Bench bench;
  std::vector<std::unique_ptr<Work>> handshakes;
  for (int i = 0; i < kHandshakesPerTurn + 3; i++) {
    handshakes.push_back(std::make_unique<Work>(bench.scheduler, "burst", 100, 1));
    handshakes.back()->is_handshake = true;
  }
  bench.scheduler.run_turn();
  handshakes.erase(handshakes.begin() + kHandshakesPerTurn, handshakes.end() - 1);
  EXPECT_FALSE(bench.scheduler.run_turn());
  EXPECT_EQ(handshakes.back()->runs, 1u);
}

TEST(Scheduler, LetsWorkDestroyOtherWorkInItsRun) {
  Bench bench;
  Work killer(bench.scheduler, "shop", 10, 1);
  auto victim = std::make_unique<Work>(bench.scheduler, "shop", 10, 1);
  killer.in_run = [&] { victim.reset(); };
  EXPECT_FALSE(bench.scheduler.run_turn());
  EXPECT_EQ(killer.runs, 1u);
}

TEST(Scheduler, AsksForATurnOnlyWhenItWasIdle) {
  Bench bench;
  Work first(bench.scheduler, "shop", 10, 2);
  Work second(bench.scheduler, "shop", 10, 2);
  EXPECT_EQ(bench.told, 1u);
  EXPECT_FALSE(bench.scheduler.run_turn());
  EXPECT_EQ(bench.told, 1u) << "the turn itself tells whether there is more";
  first.wake();
  EXPECT_EQ(bench.told, 2u);
  bench.scheduler.run_turn();
}

}  // namespace
}  // namespace keelson::proxy
