// Operation: one thing whose instructions are counted, again and again in a world of its own; only
// the measured side of it is collected. One thread. Judges nothing: tools/bench/instructions does.
#pragma once

#include <memory>
#include <stdexcept>
#include <utility>

#include "base/result.h"

namespace keelson::instructions {

class Operation {
 public:
  virtual ~Operation() = default;
  // Throws when it did not go as it should: a figure of a failure is none.
  virtual void run() = 0;
};

// Whose instructions are collected, where two sides run in one process.
enum class Measured : uint8_t { kClient, kServer };

std::unique_ptr<Operation> make_h1_exchange();
std::unique_ptr<Operation> make_hbone_exchange(Measured side);
std::unique_ptr<Operation> make_tls_handshake(Measured side);
std::unique_ptr<Operation> make_route_match();

inline void expect(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

template <class T>
T must(Result<T> made) {
  if (!made) throw std::runtime_error(made.error().message());
  return std::move(*made);
}

inline void must(const Result<void>& done) {
  if (!done) throw std::runtime_error(done.error().message());
}

}  // namespace keelson::instructions
