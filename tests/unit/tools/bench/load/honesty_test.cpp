// The reason for keelson-load: a server that answers at once but stands still for one second, once.
// In open loop every request that was due in that second shows it; the closed loop of the same
// client shows one for each connection and hides the rest.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "load_run.h"
#include "load_server.h"

namespace keelson::load::test {
namespace {

constexpr int kConnections = 4;
constexpr double kRate = 1000;
constexpr uint64_t kHalfSecondNs = 500'000'000;

// All connections stand still together: when the thousandth request came, for one second.
class StandingServer {
 public:
  void serve(Channel& channel) {
    while (channel.read_request()) {
      const std::lock_guard lock(mutex_);
      // The pause is what is being measured; it orders nothing.
      if (++requests_ == 1000) std::this_thread::sleep_for(std::chrono::seconds(1));
      if (!channel.write(kAnswer)) return;
    }
  }

 private:
  std::mutex mutex_;
  int requests_ = 0;
};

Outcome run_against_pause(const std::vector<std::string>& loop) {
  StandingServer standing;
  LoadServer server([&](Channel& channel) { standing.serve(channel); });
  std::vector<std::string> arguments{"--url", "http://" + server.address() + "/", "--connections",
                                     std::to_string(kConnections)};
  arguments.insert(arguments.end(), loop.begin(), loop.end());
  return run_load(arguments);
}

TEST(Honesty, AnOpenLoopShowsEveryRequestThatThePauseHit) {
  const Outcome outcome = run_against_pause({"--rate", std::to_string(kRate), "--seconds", "3"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["requests"], 3 * kRate);
  EXPECT_EQ(outcome.report["ok"], 3 * kRate);
  EXPECT_EQ(outcome.errors(), 0u);
  // Of the requests due in the pause, the first half waited for more than half a second.
  EXPECT_GE(outcome.above(kHalfSecondNs), kRate / 2 * 0.95);
  EXPECT_LE(outcome.above(kHalfSecondNs), kRate);
  EXPECT_GE(outcome.report["latency_us"]["max"], 950'000);
  EXPECT_GE(outcome.report["latency_us"]["p99"], 900'000);
  EXPECT_GE(outcome.report["latency_us"]["p90"], 600'000);
}

TEST(Honesty, AClosedLoopOfTheSameClientHidesThePause) {
  const Outcome outcome = run_against_pause({"--closed", "--requests", "20000"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["ok"], 20'000);
  EXPECT_GE(outcome.report["latency_us"]["max"], 950'000);
  EXPECT_GE(outcome.above(kHalfSecondNs), 1u);
  EXPECT_LE(outcome.above(kHalfSecondNs), static_cast<uint64_t>(kConnections));
  EXPECT_LT(outcome.report["latency_us"]["p999"], 500'000);
}

TEST(Honesty, WhatIsWithoutAnswerAtTheEndCountsWithItsAgeAndSoDoesWhatWaitsBehindIt) {
  LoadServer server([](Channel& channel) {
    while (channel.read_request()) {
    }
  });
  const Outcome outcome = run_load({"--url", "http://" + server.address() + "/", "--connections",
                                    "2", "--rate", "100", "--seconds", "0.5", "--patience", "0.2"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["requests"], 50);
  EXPECT_EQ(outcome.report["ok"], 0);
  EXPECT_EQ(outcome.report["errors"]["timeout"], 50);
  EXPECT_EQ(outcome.report["rate_done"], 0.0);
  EXPECT_EQ(outcome.above(199'000'000), 50u);
  EXPECT_GE(outcome.report["latency_us"]["max"], 690'000);
}

TEST(Honesty, AServerThatIsTooSlowDoesNotSlowTheScheduleDown) {
  // One connection, ten milliseconds an answer: a tenth of what is offered.
  LoadServer server([](Channel& channel) {
    while (channel.read_request()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // how slow it is
      if (!channel.write(kAnswer)) return;
    }
  });
  const Outcome outcome = run_load({"--url", "http://" + server.address() + "/", "--connections",
                                    "1", "--rate", "1000", "--seconds", "0.3", "--patience", "60"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["ok"], 300);
  EXPECT_LE(outcome.report["rate_done"], 110);
  EXPECT_GE(outcome.report["latency_us"]["max"], 2'600'000);  // 3 s of work, due within 0.3 s
}

}  // namespace
}  // namespace keelson::load::test
