#include "tls/signer.h"

#include <utility>

namespace keelson::tls {

ThreadSigner::ThreadSigner(Post post, size_t steps_waiting_max)
    : post_(std::move(post)), steps_waiting_max_(steps_waiting_max), thread_([this] { work(); }) {}

ThreadSigner::~ThreadSigner() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Signer::Outcome ThreadSigner::submit(std::shared_ptr<HandshakeStep> step) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= steps_waiting_max_) return Outcome::kRefused;
    waiting_.push_back(std::move(step));
  }
  wake_.notify_one();
  return Outcome::kQueued;
}

void ThreadSigner::work() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
    if (is_stopping_) return;
    std::shared_ptr<HandshakeStep> step = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    step->run();
    hand_back(std::move(step));
  }
}

void ThreadSigner::hand_back(std::shared_ptr<HandshakeStep> step) {
  {
    const std::lock_guard lock(finished_->mutex);
    finished_->steps.push_back(std::move(step));
    // One call brings everything that is finished when it runs.
    if (std::exchange(finished_->is_posted, true)) return;
  }
  if (post_([finished = finished_] { deliver(*finished); })) return;
  const std::lock_guard lock(finished_->mutex);
  finished_->is_posted = false;
}

void ThreadSigner::deliver(Finished& finished) {
  Steps steps;
  {
    const std::lock_guard lock(finished.mutex);
    steps.swap(finished.steps);
    finished.is_posted = false;
  }
  for (const auto& step : steps) step->on_done();
}

}  // namespace keelson::tls
