// ByteBudget: how many received bytes one tenant's tunnels may hold for their readers. One thread.
// It refuses nothing by itself: while it has no room, connections stop opening their window, and
// are woken when there is room again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/assert.h"
#include "proxy/hbone/runnable.h"

namespace keelson::hbone {

class ByteBudget {
 public:
  explicit ByteBudget(size_t bytes_max) noexcept : bytes_max_(bytes_max) {}

  bool has_room() const noexcept { return held_ < bytes_max_; }
  size_t held() const noexcept { return held_; }
  void take(size_t bytes) noexcept { held_ += bytes; }
  void give_back(size_t bytes) noexcept {
    KS_ASSERT(bytes <= held_);
    held_ -= bytes;
    if (!has_room()) return;
    for (Runnable* waiter : waiting_) waiter->wake();
    waiting_.clear();
  }

  // Wakes `waiter` once when there is room again; it says forget() before it goes.
  void wait(Runnable& waiter) {
    if (std::find(waiting_.begin(), waiting_.end(), &waiter) == waiting_.end())
      waiting_.push_back(&waiter);
  }
  void forget(Runnable& waiter) noexcept { std::erase(waiting_, &waiter); }

 private:
  const size_t bytes_max_;
  size_t held_ = 0;
  std::vector<Runnable*> waiting_;
};

}  // namespace keelson::hbone
