// Signer: where the expensive part of TLS handshakes runs, so that a burst of them does not hold up
// the bytes of others on the same worker. Its unit is one handshake step (SSL_do_handshake over the
// bytes that are there), not one private-key signature. Why, measured by tls_handshake_cost in one
// run (OpenSSL 3.0.19, release, machine shared with builds, so only the ratios count): steps of a
// mutual P-256 handshake 2,400 us a side, one signature 98 us, hand-over there and back 26 us.
//  - Moving only the signature leaves 96 % of the stall (key exchange, verification, parsing) on
//    the loop and spends a quarter of what it moves on the hand-over.
//  - OpenSSL 3.0 suspends in a signature only by ASYNC_pause_job, that is by switching stacks: each
//    waiting handshake would own one, and sanitizers and shadow stacks (CET) have to be told of
//    every switch. A step needs none of that: ThreadSigner runs as it is under TSan.
// A step owns its SSL while it is away: one thread at a time, no locks in the TLS code.
// Does not decide how many handshakes a tenant may begin: that is the scheduler's budget.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace keelson::tls {

class HandshakeStep {
 public:
  virtual ~HandshakeStep() = default;
  virtual void run() noexcept = 0;      // on the signer's thread
  virtual void on_done() noexcept = 0;  // afterwards, on the loop's thread; not for kDone
};

class Signer {
 public:
  enum class Outcome : uint8_t {
    kDone,     // run() has returned
    kQueued,   // on_done() will come
    kRefused,  // too many wait; nothing will come
  };
  virtual ~Signer() = default;
  virtual Outcome submit(std::shared_ptr<HandshakeStep> step) = 0;
};

// Runs the step at once, on the caller's thread: tests, tools, and machines with one core.
class InlineSigner final : public Signer {
 public:
  Outcome submit(std::shared_ptr<HandshakeStep> step) override {
    step->run();
    return Outcome::kDone;
  }
};

// One thread, first come first served. One for each worker: submit() is called on its loop's
// thread, and `post` brings a call back to that thread (false: refused, tried again with the next
// step that ends). Destroyed before the loop; steps that still wait are dropped unrun.
class ThreadSigner final : public Signer {
 public:
  using Post = std::function<bool(std::function<void()>)>;

  explicit ThreadSigner(Post post, size_t steps_waiting_max = 1024);
  ~ThreadSigner() override;
  ThreadSigner(const ThreadSigner&) = delete;
  ThreadSigner& operator=(const ThreadSigner&) = delete;

  Outcome submit(std::shared_ptr<HandshakeStep> step) override;

 private:
  using Steps = std::vector<std::shared_ptr<HandshakeStep>>;
  // Outlives the signer in calls that were posted and have not run yet.
  struct Finished {
    std::mutex mutex;
    Steps steps;
    bool is_posted = false;
  };

  void work();
  void hand_back(std::shared_ptr<HandshakeStep> step);
  static void deliver(Finished& finished);

  const Post post_;
  const size_t steps_waiting_max_;
  const std::shared_ptr<Finished> finished_ = std::make_shared<Finished>();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<HandshakeStep>> waiting_;
  bool is_stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace keelson::tls
