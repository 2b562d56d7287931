// Result<T>: a value or an Error; no exception crosses a function that returns one.
// Error carries a Reason (what), a source (whose fault), errno if a system call failed, and context
// (the thing, the place and, where there is one, the fix). Any thread; an Error allocates, so the
// hot path returns one only when a connection or request ends.
#pragma once

#include <cstring>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "base/reason.h"

namespace keelson {

enum class ErrorSource : uint8_t { kInternal, kConfig, kKernel, kKube, kDownstream, kUpstream };

struct Error {
  Reason reason = Reason::internal;
  ErrorSource source = ErrorSource::kInternal;
  bool retryable = false;  // the same call may succeed later without a change of input
  int os_errno = 0;        // 0: no system call failed
  std::string context;

  // "context: text (errno text)", for people.
  std::string message() const;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Failure = tl::unexpected<Error>;

inline Failure fail(Reason reason, ErrorSource source, std::string context) {
  return Failure(Error{reason, source, false, 0, std::move(context)});
}
inline Failure fail_errno(Reason reason, int os_errno, std::string context) {
  return Failure(Error{reason, ErrorSource::kKernel, false, os_errno, std::move(context)});
}

}  // namespace keelson

// Evaluates `expression` (a Result); on failure returns its Error from the enclosing function.
#define KS_TRY(expression)                                      \
  do {                                                          \
    if (auto ks_result_ = (expression); !ks_result_)            \
      return ::keelson::Failure(std::move(ks_result_).error()); \
  } while (0)

#define KS_CONCAT_(a, b) a##b
#define KS_CONCAT(a, b) KS_CONCAT_(a, b)

// Declares or assigns `target` from a Result; on failure returns its Error.
#define KS_ASSIGN(target, expression) \
  KS_ASSIGN_(KS_CONCAT(ks_result_, __LINE__), target, expression)
#define KS_ASSIGN_(name, target, expression)                     \
  auto name = (expression);                                      \
  if (!name) return ::keelson::Failure(std::move(name).error()); \
  target = std::move(*name)
