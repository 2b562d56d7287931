// Collected: while it lives, callgrind counts what this thread executes (with
// --collect-atstart=no). Not nested. Outside of valgrind it does nothing.
#pragma once

#include <valgrind/callgrind.h>

namespace keelson::instructions {

class Collected {
 public:
  explicit Collected(bool is_wanted = true) noexcept : is_wanted_(is_wanted) {
    if (is_wanted_) CALLGRIND_TOGGLE_COLLECT;
  }
  ~Collected() {
    if (is_wanted_) CALLGRIND_TOGGLE_COLLECT;
  }
  Collected(const Collected&) = delete;
  Collected& operator=(const Collected&) = delete;

 private:
  const bool is_wanted_;
};

}  // namespace keelson::instructions
