// The weighted choice among a rule's backends, one request at a time, and the generator it draws
// from. Pure; an Rng belongs to one worker. Does not look at endpoints.
#pragma once

#include <cstdint>

#include "config/routes.h"

namespace keelson::proxy {

// splitmix64 (Steele, Lea, Flood 2014): 64 equally distributed bits a step, one word of state. Fast
// and statistically sound; not for secrets.
class Rng {
 public:
  explicit Rng(uint64_t seed) noexcept : state_(seed) {}

  uint64_t next() noexcept {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// `random`: 64 random bits. Each backend's share is its weight over the sum of all, valid or not:
// an invalid one keeps its share, so the caller looks at is_valid. Null: no backend, or only
// weights of 0. With at most 64 weights of at most 1,000,000 no share is off by more than 2^-38.
const config::RouteBackend* choose_backend(const config::RouteRule& rule, uint64_t random) noexcept;

}  // namespace keelson::proxy
