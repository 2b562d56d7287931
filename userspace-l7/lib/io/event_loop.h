// EventLoop: one libuv loop, owned. Everything on it (timers, polls, streams, signals) lives and
// dies on the thread that runs it; other threads only post(). The destructor asserts that nothing
// is left on the loop. It does not order work between connections: that is the scheduler's.
#pragma once

#include <uv.h>

#include <memory>
#include <type_traits>
#include <utility>

#include "base/mailbox.h"
#include "io/handle.h"

namespace keelson::io {

class EdgeSet;

// A move-only void() callable, so that posted work may own descriptors and buffers.
class Task {
 public:
  Task() noexcept = default;
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, Task>) Task(F&& f)
      : body_(std::make_unique<Body<std::decay_t<F>>>(std::forward<F>(f))) {}
  void operator()() { body_->run(); }
  explicit operator bool() const noexcept { return body_ != nullptr; }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual void run() = 0;
  };
  template <class F>
  struct Body final : Base {
    explicit Body(F&& f) : function(std::move(f)) {}
    explicit Body(const F& f) : function(f) {}
    void run() override { function(); }
    F function;
  };
  std::unique_ptr<Base> body_;
};

class EventLoop {
 public:
  EventLoop();  // aborts when the process has no descriptor for it
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void run();            // until stop()
  void run_once();       // waits for at least one event, handles what is ready
  void run_ready();      // handles what is ready, never waits
  void stop() noexcept;  // on the loop's thread; from another: post([&] { loop.stop(); })

  // Runs `task` on the loop's thread, in order of posting. Any thread. False: the mailbox is full
  // or the loop is being destroyed, and the task was dropped.
  [[nodiscard]] bool post(Task task);
  uint64_t posts_refused() const { return mailbox_.refused(); }

  // For data sockets; all else uses Poll.
  EdgeSet& edges() noexcept { return *edges_; }
  uv_loop_t* raw() noexcept { return &loop_; }

 private:
  using Wakeup = Handle<uv_async_t, EventLoop*>;

  uv_loop_t loop_;
  uint64_t callbacks_ = 0;  // reached through loop_.data
  Wakeup wakeup_;
  Mailbox<Task> mailbox_;
  std::unique_ptr<EdgeSet> edges_;
};

}  // namespace keelson::io
