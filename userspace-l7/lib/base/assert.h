// KS_ASSERT: a broken invariant of our own ends the process, in every build type; going on would
// lose or leak bytes. Never for input, peers, the kernel or configuration: those are Results.
// Any thread.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace keelson {

[[noreturn]] inline void assert_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, condition);
  std::abort();
}

}  // namespace keelson

#define KS_ASSERT(condition) \
  ((condition) ? void() : ::keelson::assert_failed(#condition, __FILE__, __LINE__))
