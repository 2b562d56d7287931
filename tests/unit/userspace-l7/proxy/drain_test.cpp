#include "proxy/drain.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "fake_alarms.h"

namespace keelson::proxy {
namespace {

struct FakeDrained final : Drained {
  void begin_drain(std::function<void()> on_idle) override {
    begun++;
    idle = std::move(on_idle);
    if (is_idle_at_once) idle();
  }
  void last_call() override { calls++; }
  void reset_all() override { resets++; }

  int begun = 0;
  int calls = 0;
  int resets = 0;
  bool is_idle_at_once = false;
  std::function<void()> idle;
};

struct Bench {
  FakeDrained first, second;
  FakeAlarms alarms;
  int finished = 0;
  Drain drain{{&first, &second}, alarms, std::chrono::seconds(25), [this] { finished++; }};
};

TEST(Drain, EndsWhenEverybodyIsIdle) {
  Bench bench;
  bench.drain.request();
  EXPECT_EQ(bench.first.begun + bench.second.begun, 2);
  bench.first.idle();
  EXPECT_EQ(bench.finished, 0);
  bench.second.idle();
  EXPECT_EQ(bench.finished, 1);
  EXPECT_EQ(bench.first.resets, 0);
  EXPECT_EQ(bench.alarms.running(), 0u);
}

TEST(Drain, EndsAtOnceWhenNobodyHasConnections) {
  Bench bench;
  bench.first.is_idle_at_once = bench.second.is_idle_at_once = true;
  bench.drain.request();
  EXPECT_EQ(bench.finished, 1);
}

TEST(Drain, ResetsAtTheDeadlineAndStillWaitsForTheEnd) {
  Bench bench;
  bench.drain.request();
  bench.first.idle();
  bench.alarms.ring_all();
  EXPECT_EQ(bench.second.resets, 1);
  EXPECT_EQ(bench.finished, 0);
  bench.second.idle();
  EXPECT_EQ(bench.finished, 1);
}

TEST(Drain, CallsLastShortlyBeforeTheDeadline) {
  Bench bench;
  bench.drain.request();
  bench.alarms.advance(std::chrono::seconds(25) - kDrainLastCall - std::chrono::milliseconds(1));
  EXPECT_EQ(bench.first.calls, 0);
  bench.alarms.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(bench.first.calls + bench.second.calls, 2);
  EXPECT_EQ(bench.first.resets, 0);
  bench.alarms.advance(kDrainLastCall);
  EXPECT_EQ(bench.first.resets + bench.second.resets, 2);
  EXPECT_EQ(bench.first.calls, 1);
}

// At once it ended connections whose next answer would have told the client to go: one that sent
// its request just then lost it (netns test ProxyRestart, a drain of 5 s).
TEST(Drain, CallsLastHalfWayWhenTheTimeIsShort) {
  FakeDrained drained;
  FakeAlarms alarms;
  Drain drain{{&drained}, alarms, std::chrono::seconds(5), [] {}};
  drain.request();
  alarms.advance(std::chrono::milliseconds(1999));
  EXPECT_EQ(drained.calls, 0);
  alarms.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(drained.calls, 1);
  EXPECT_EQ(drained.resets, 0);
}

TEST(Drain, ASecondRequestDoesNotWaitForTheDeadline) {
  Bench bench;
  bench.drain.request();
  bench.drain.request();
  bench.drain.request();
  EXPECT_EQ(bench.first.begun, 1);
  EXPECT_EQ(bench.first.resets, 1);
}

}  // namespace
}  // namespace keelson::proxy
