// Waiting in tests: polls a state until it holds or a deadline passes. The only place in the tests
// that lets time go by, so that no scenario depends on how long something "usually" takes.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace keelson::test {

inline constexpr std::chrono::seconds kPatience{10};

// True when `holds` came true in time.
inline bool wait_until(const std::function<bool()>& holds,
                       std::chrono::milliseconds patience = kPatience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace keelson::test
