#include "io/event_loop.h"

#include "io/edge_set.h"

namespace keelson::io {

EventLoop::EventLoop() : mailbox_([this] { uv_async_send(wakeup_.get()); }) {
  KS_ASSERT(uv_loop_init(&loop_) == 0);
  loop_.data = &callbacks_;
  const int status = wakeup_.open(this, [this](uv_async_t* handle) {
    return uv_async_init(&loop_, handle, [](uv_async_t* async) {
      if (EventLoop** loop = Wakeup::payload_of(async))
        (*loop)->mailbox_.drain([](Task&& task) { task(); });
    });
  });
  KS_ASSERT(status == 0);
  edges_ = std::make_unique<EdgeSet>(*this);
}

EventLoop::~EventLoop() {
  mailbox_.close();
  mailbox_.drain([](Task&&) {});  // tasks may own handles of this loop: free them while it lives
  edges_.reset();
  wakeup_.close();
  // Only close callbacks are left to run, unless somebody forgot a handle: then uv_loop_close says
  // EBUSY, because the handle's memory would be used after the loop is gone.
  uv_run(&loop_, UV_RUN_NOWAIT);
  KS_ASSERT(uv_loop_close(&loop_) == 0);
}

void EventLoop::run() {
  uv_run(&loop_, UV_RUN_DEFAULT);
}

// UV_RUN_ONCE runs timers that are due and then still waits for an event; hence two steps.
void EventLoop::run_once() {
  const uint64_t before = callbacks_;
  uv_run(&loop_, UV_RUN_NOWAIT);
  if (callbacks_ == before) uv_run(&loop_, UV_RUN_ONCE);
}

void EventLoop::run_ready() {
  uv_run(&loop_, UV_RUN_NOWAIT);
}
void EventLoop::stop() noexcept {
  uv_stop(&loop_);
}
bool EventLoop::post(Task task) {
  return mailbox_.push(std::move(task));
}

}  // namespace keelson::io
