#include "proxy/socket_supply.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>

#include "support/wait_until.h"

namespace keelson::proxy {
namespace {

struct FakeHold final : PodSockets {
  explicit FakeHold(std::atomic<int>& count) : asked(count) {}
  Result<link::PodListeners> listeners(const std::string& pod) override {
    asked++;
    if (pod == "unknown") return fail(Reason::pod_unknown, ErrorSource::kInternal, pod);
    link::PodListeners made;
    made[0] = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return made;
  }
  Result<std::vector<Fd>> sockets(const SocketKind&, uint32_t count) override {
    asked++;
    std::vector<Fd> made;
    for (uint32_t i = 0; i < count; i++)
      made.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return made;
  }
  std::atomic<int>& asked;
};

struct Bench {
  std::atomic<int> asked{0};
  io::EventLoop loop;
  SocketSupply supply{std::make_unique<FakeHold>(asked)};

  bool run_until(const std::function<bool()>& holds) {
    return test::wait_until([&] {
      loop.run_ready();
      return holds();
    });
  }
};

TEST(SocketSupply, AnswersOnTheAskersLoop) {
  Bench bench;
  WorkerSupply worker(bench.supply, bench.loop);
  const auto asker = std::this_thread::get_id();
  size_t got = 0;
  worker.fetch({"pod", KS_FAMILY_4, KS_ROLE_DIAL_HBONE}, 5, [&](Result<std::vector<Fd>> sockets) {
    EXPECT_EQ(std::this_thread::get_id(), asker);
    got = sockets ? sockets->size() : 0;
  });
  EXPECT_TRUE(bench.run_until([&] { return got == 5; }));
}

TEST(SocketSupply, PassesErrorsOn) {
  Bench bench;
  WorkerSupply worker(bench.supply, bench.loop);
  std::optional<Reason> reason;
  worker.fetch_listeners("unknown", [&](Result<link::PodListeners> got) {
    reason = got ? Reason::none : got.error().reason;
  });
  EXPECT_TRUE(bench.run_until([&] { return reason.has_value(); }));
  EXPECT_EQ(*reason, Reason::pod_unknown);
}

TEST(SocketSupply, DropsAnswersToAWorkerThatIsGone) {
  Bench bench;
  bool called = false;
  {
    WorkerSupply worker(bench.supply, bench.loop);
    worker.fetch_listeners("pod", [&](Result<link::PodListeners>) { called = true; });
  }
  EXPECT_TRUE(bench.run_until([&] { return bench.asked == 1; }));
  bench.loop.run_ready();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace keelson::proxy
