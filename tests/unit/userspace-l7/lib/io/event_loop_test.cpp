#include "io/event_loop.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>

#include "base/fd.h"
#include "io/idle.h"
#include "io/poll.h"
#include "io/signal.h"
#include "io/timer.h"

namespace keelson::io {
namespace {

using std::chrono::milliseconds;

TEST(EventLoop, RunsPostedTasksInOrderOnItsOwnThread) {
  EventLoop loop;
  const auto loop_thread = std::this_thread::get_id();
  std::vector<int> seen;
  std::thread sender([&] {
    for (int i = 0; i < 100; i++)
      EXPECT_TRUE(loop.post([&seen, &loop_thread, i] {
        EXPECT_EQ(std::this_thread::get_id(), loop_thread);
        seen.push_back(i);
      }));
    EXPECT_TRUE(loop.post([&loop] { loop.stop(); }));
  });
  loop.run();
  sender.join();
  ASSERT_EQ(seen.size(), 100u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(EventLoop, CarriesTasksThatOwnWhatTheyNeed) {
  EventLoop loop;
  int got = 0;
  auto owned = std::make_unique<int>(7);
  ASSERT_TRUE(loop.post([&got, moved = std::move(owned)] { got = *moved; }));
  loop.run_once();
  EXPECT_EQ(got, 7);
}

TEST(EventLoop, DropsWhatNobodyRanAndFreesIt) {
  auto watched = std::make_shared<int>(1);
  {
    EventLoop loop;
    ASSERT_TRUE(loop.post([watched] { FAIL() << "never run"; }));
    EXPECT_EQ(watched.use_count(), 2);
  }
  EXPECT_EQ(watched.use_count(), 1);
}

// A scheduler's turns were a timer of zero length: the loop saw no event until all work was done.
TEST(Idle, LetsEventsBeSeenBetweenItsCalls) {
  EventLoop loop;
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const Fd reader(pipe_ends[0]), writer(pipe_ends[1]);
  int rounds = 0, rounds_until_seen = 0;
  std::unique_ptr<Poll> poll;
  auto opened = Poll::open(loop, reader.get(), [&](Readiness) {
    rounds_until_seen = rounds;
    poll->watch({});
  });
  ASSERT_TRUE(opened);
  poll = std::make_unique<Poll>(std::move(*opened));
  poll->watch({.readable = true});
  std::optional<Idle> busy;
  busy.emplace(loop, [&] {
    if (++rounds == 3) {
      EXPECT_EQ(::write(writer.get(), "x", 1), 1);
    }
    if (rounds < 100 && rounds_until_seen == 0) busy->start();
  });
  busy->start();
  while (rounds_until_seen == 0 && rounds < 100) loop.run_once();
  EXPECT_EQ(rounds_until_seen, 3) << "in the round in which it came";
  EXPECT_LE(rounds, 4);
}

TEST(Idle, CallsOnceForSeveralStarts) {
  EventLoop loop;
  int calls = 0;
  Idle idle(loop, [&] { calls++; });
  idle.start();
  idle.start();
  for (int i = 0; i < 3; i++) loop.run_ready();
  EXPECT_EQ(calls, 1);
}

TEST(EventLoopDeathTest, RefusesToDieBeforeItsHandles) {
  EXPECT_DEATH(
      {
        auto loop = std::make_unique<EventLoop>();
        Timer timer(*loop, [] {});
        loop.reset();
      },
      "invariant broken");
}

TEST(Timer, CallsBackOnceAndNeverEarly) {
  EventLoop loop;
  int calls = 0;
  Timer timer(loop, [&] {
    calls++;
    loop.stop();
  });
  const auto start = std::chrono::steady_clock::now();
  timer.start(milliseconds(15));
  loop.run();
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(14));
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(timer.is_active());
}

TEST(Timer, RepeatsUntilStopped) {
  EventLoop loop;
  int calls = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    if (++calls < 3) return;
    timer->stop();
    loop.stop();
  });
  timer->start_repeating(milliseconds(1));
  loop.run();
  EXPECT_EQ(calls, 3);
}

TEST(Timer, MayBeDestroyedByItsOwnCallback) {
  EventLoop loop;
  std::unique_ptr<Timer> timer;
  const std::string large_capture(100, 'x');
  std::string seen_after;
  timer = std::make_unique<Timer>(loop, [&, large_capture] {
    timer.reset();
    seen_after = large_capture;  // the callback's captures outlive the timer object
    loop.stop();
  });
  timer->start(milliseconds(0));
  loop.run();
  EXPECT_EQ(seen_after, large_capture);
}

TEST(Timer, DoesNotCallAfterItWasDestroyed) {
  EventLoop loop;
  auto doomed = std::make_unique<Timer>(loop, [] { FAIL() << "called after destruction"; });
  doomed->start(milliseconds(0));
  doomed.reset();
  loop.run_ready();
}

TEST(Poll, TellsReadableAndWritableOnlyWhileWatched) {
  EventLoop loop;
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const Fd near(ends[0]);
  const Fd far(ends[1]);
  std::vector<Readiness> seen;
  auto poll = Poll::open(loop, near.get(), [&](Readiness ready) { seen.push_back(ready); });
  ASSERT_TRUE(poll);
  ASSERT_EQ(write(far.get(), "x", 1), 1);
  loop.run_ready();
  EXPECT_TRUE(seen.empty());
  poll->watch({.readable = true});
  loop.run_once();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0], (Readiness{.readable = true, .writable = false}));
  poll->watch({.writable = true});
  loop.run_once();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1], (Readiness{.readable = false, .writable = true}));
  poll->watch({});
  loop.run_ready();
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Poll, RefusesADescriptorThatCannotBeWatched) {
  EventLoop loop;
  const Fd file(::memfd_create("not-pollable", MFD_CLOEXEC));
  const auto poll = Poll::open(loop, file.get(), [](Readiness) {});
  ASSERT_FALSE(poll);
  EXPECT_EQ(poll.error().reason, Reason::io_error);
}

TEST(Signal, ArrivesOnTheLoop) {
  EventLoop loop;
  int calls = 0;
  const Signal signal(loop, SIGUSR1, [&] {
    calls++;
    loop.stop();
  });
  ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
  loop.run();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace keelson::io
