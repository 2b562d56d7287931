// own_copy: what a shared pointer holds, for writing: the caller's own copy where others hold it
// too, a new one where there is none. Others may read and let go meanwhile, on other threads; one
// thread at a time for each pointer.
#pragma once

#include <atomic>
#include <memory>

namespace keelson {

template <class T>
T& own_copy(std::shared_ptr<T>& shared) {
#ifdef __SANITIZE_THREAD__  // knows no fences: every write copies
  constexpr long kAlone = 0;
#else
  constexpr long kAlone = 1;
#endif
  if (shared == nullptr) {
    shared = std::make_shared<T>();
  } else if (shared.use_count() > kAlone) {
    shared = std::make_shared<T>(*shared);
  } else {
#ifndef __SANITIZE_THREAD__
    std::atomic_thread_fence(std::memory_order_acquire);  // the other reader has just let go
#endif
  }
  return *shared;
}

}  // namespace keelson
