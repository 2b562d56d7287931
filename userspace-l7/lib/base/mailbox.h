// Mailbox<T>: the only way into another thread: a bounded queue, many senders, one receiver.
// push() on any thread, drain() on the receiver's. `wake` runs on the sender's thread when the
// queue stops being empty; wakeups may coalesce, so drain() takes everything. When full it refuses
// and counts; it never blocks a sender on the receiver's work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "base/limits.h"

namespace keelson {

template <class T>
class Mailbox {
 public:
  explicit Mailbox(std::function<void()> wake, size_t messages_max = kMailboxMessagesMax)
      : wake_(std::move(wake)), messages_max_(messages_max) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False: full (or closed); the message is still the caller's.
  [[nodiscard]] bool push(T&& message) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || queue_.size() >= messages_max_) {
        refused_++;
        return false;
      }
      queue_.push_back(std::move(message));
      if (queue_.size() > 1) return true;
    }
    wake_();
    return true;
  }

  // Calls handle(T&&) for every message that was queued at the start; returns how many.
  template <class Handle>
  size_t drain(Handle&& handle) {
    std::vector<T> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(queue_);
    }
    for (T& message : taken) handle(std::move(message));
    return taken.size();
  }

  // Refuses everything from now on; queued messages stay for drain().
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }

  uint64_t refused() const {
    const std::lock_guard lock(mutex_);
    return refused_;
  }

 private:
  mutable std::mutex mutex_;
  const std::function<void()> wake_;
  const size_t messages_max_;
  std::vector<T> queue_;
  uint64_t refused_ = 0;
  bool closed_ = false;
};

}  // namespace keelson
