// Handshakes whose steps run on another thread, posted back as an event loop would.
#include "tls/signer.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "tls_peers.h"

namespace keelson::tls {
namespace {

using test::spiffe_id;

// The receiving end of a loop: keeps posted calls until the test's thread runs them.
class PostBox {
 public:
  bool post(std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    arrived_.notify_one();
    return true;
  }
  void run_one() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !calls_.empty(); });
    auto call = std::move(calls_.front());
    calls_.pop_front();
    lock.unlock();
    call();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> calls_;
};

class CountingStep final : public HandshakeStep {
 public:
  void run() noexcept override { runner = std::this_thread::get_id(); }
  void on_done() noexcept override { done = std::this_thread::get_id(); }
  std::thread::id runner;
  std::thread::id done;
};

// Holds the signer's thread until the test lets it go.
class BlockingStep final : public HandshakeStep {
 public:
  void run() noexcept override {
    std::unique_lock lock(mutex);
    is_running = true;
    changed.notify_all();
    changed.wait(lock, [this] { return is_released; });
  }
  void on_done() noexcept override {}
  void wait_until_running() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return is_running; });
  }
  void release() {
    const std::lock_guard lock(mutex);
    is_released = true;
    changed.notify_all();
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool is_running = false;
  bool is_released = false;
};

TEST(ThreadSigner, RunsOnItsOwnThreadAndReturnsToTheLoops) {
  PostBox box;
  ThreadSigner signer([&box](auto call) { return box.post(std::move(call)); });
  const auto step = std::make_shared<CountingStep>();
  EXPECT_EQ(signer.submit(step), Signer::Outcome::kQueued);
  box.run_one();
  EXPECT_NE(step->runner, std::this_thread::get_id());
  EXPECT_EQ(step->done, std::this_thread::get_id());
}

TEST(ThreadSigner, RefusesWhenTooManyWait) {
  PostBox box;
  ThreadSigner signer([&box](auto call) { return box.post(std::move(call)); }, 2);
  const auto blocker = std::make_shared<BlockingStep>();
  ASSERT_EQ(signer.submit(blocker), Signer::Outcome::kQueued);
  blocker->wait_until_running();
  const auto step = std::make_shared<CountingStep>();
  EXPECT_EQ(signer.submit(step), Signer::Outcome::kQueued);
  EXPECT_EQ(signer.submit(step), Signer::Outcome::kQueued);
  EXPECT_EQ(signer.submit(step), Signer::Outcome::kRefused);
  blocker->release();
}

TEST(ThreadSigner, ARefusedPostIsMadeUpForByTheNextStep) {
  PostBox box;
  std::atomic<int> posts = 0;
  ThreadSigner signer([&](auto call) { return ++posts > 1 && box.post(std::move(call)); });
  const auto first = std::make_shared<CountingStep>();
  const auto second = std::make_shared<CountingStep>();
  signer.submit(first);
  while (posts.load() == 0) std::this_thread::yield();
  // The refusal is recorded after post returned; submitting until one gets through is enough.
  signer.submit(second);
  while (posts.load() < 2) signer.submit(std::make_shared<CountingStep>());
  box.run_one();
  EXPECT_EQ(first->done, std::this_thread::get_id());
}

class ThreadSignerStream : public ::testing::Test {
 protected:
  // Runs until both sides are established or one failed; each wait is for a step that is away.
  void shake_hands(test::TlsPeers& peers) {
    const auto is_over = [&peers] {
      return peers.client.error || peers.server.error ||
             (peers.client.stream->is_established() && peers.server.stream->is_established());
    };
    peers.run();
    while (!is_over()) {
      box_.run_one();
      peers.run();
    }
  }

  const test::TestMesh mesh_;
  PostBox box_;
  ThreadSigner signer_{[this](auto call) { return box_.post(std::move(call)); }};
};

TEST_F(ThreadSignerStream, ManyHandshakesAtOnceAllSucceed) {
  const KeyMaterial client = mesh_.material("shop", "cart");
  const KeyMaterial server = mesh_.material("pay", "till");
  std::vector<std::unique_ptr<test::TlsPeers>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<test::TlsPeers>(signer_));
    all.back()->begin(client, server, {server.id});
    all.back()->client.write("hello " + std::to_string(i));
    all.back()->run();
  }
  for (auto& peers : all) {
    shake_hands(*peers);
    peers->run();
  }
  for (int i = 0; i < 20; ++i) {
    all[i]->run();
    ASSERT_FALSE(all[i]->server.error) << all[i]->server.error->message();
    EXPECT_EQ(all[i]->server.received, "hello " + std::to_string(i));
  }
}

TEST_F(ThreadSignerStream, RefusalsWorkAsWithoutAThread) {
  test::TlsPeers peers(signer_);
  peers.begin(mesh_.material("shop", "cart"), mesh_.material("pay", "till"),
              {spiffe_id("pay", "refund")});
  shake_hands(peers);
  ASSERT_TRUE(peers.client.error);
  EXPECT_EQ(peers.client.error->reason, Reason::identity_mismatch);
}

TEST_F(ThreadSignerStream, AStreamMayDieWhileItsStepIsAway) {
  for (int i = 0; i < 50; ++i) {
    test::TlsPeers peers(signer_);
    peers.begin(mesh_.material("shop", "cart"), mesh_.material("pay", "till"),
                {spiffe_id("pay", "till")});
    peers.client.work();
    peers.client.stream.reset();
  }
  box_.run_one();
}

}  // namespace
}  // namespace keelson::tls
