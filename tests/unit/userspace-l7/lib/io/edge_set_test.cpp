#include "io/edge_set.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <functional>
#include <list>

#include "io/event_loop.h"

namespace keelson::io {
namespace {

// A descriptor that is ready, and how often that was told.
struct Ready final : EdgeSet::Member {
  explicit Ready(EventLoop& loop) : edges(loop.edges()), fd(::eventfd(1, EFD_NONBLOCK)) {
    EXPECT_TRUE(edges.add(fd.get(), *this));
  }
  ~Ready() { leave(); }
  void on_edge(uint32_t events) noexcept override {
    told++;
    EXPECT_NE(events & EPOLLIN, 0u);
    if (then) then();
  }
  void leave() {
    if (std::exchange(is_in, false)) edges.remove(fd.get(), *this);
  }

  EdgeSet& edges;
  Fd fd;
  int told = 0;
  std::function<void()> then;

 private:
  bool is_in = true;
};

TEST(EdgeSet, TellsOnceOfWhatWasReadyBefore) {
  EventLoop loop;
  const Ready member(loop);
  for (int i = 0; i < 3; i++) loop.run_ready();
  EXPECT_EQ(member.told, 1);
}

TEST(EdgeSet, TellsNobodyWhoWasRemovedInTheSameBatch) {
  EventLoop loop;
  Ready first(loop), second(loop), third(loop);
  first.then = [&] { second.leave(), third.leave(); };
  second.then = [&] { first.leave(), third.leave(); };
  third.then = [&] { first.leave(), second.leave(); };
  loop.run_ready();
  EXPECT_EQ(first.told + second.told + third.told, 1);
}

TEST(EdgeSet, TellsEveryoneWhenMoreAreReadyThanOneBatchHolds) {
  EventLoop loop;
  std::list<Ready> members;
  for (int i = 0; i < 600; i++) members.emplace_back(loop);
  for (int i = 0; i < 6; i++) loop.run_ready();
  for (const Ready& member : members) EXPECT_EQ(member.told, 1);
}

TEST(EdgeSetDeathTest, RefusesToDieBeforeItsMembers) {
  EXPECT_DEATH(
      {
        auto loop = std::make_unique<EventLoop>();
        const Ready member(*loop);
        loop.reset();
      },
      "");
}

}  // namespace
}  // namespace keelson::io
