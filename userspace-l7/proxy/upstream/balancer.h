// choose_endpoint: power of two choices: of two endpoints drawn at random, the one with fewer
// requests under way. Needs no state of its own and no knowledge of load elsewhere (Mitzenmacher,
// "The Power of Two Choices in Randomized Load Balancing", 2001). Pure, any thread.
#pragma once

#include "config/routes.h"

namespace keelson::proxy {

// Null only when there is no endpoint. `random`: 64 random bits. `avoid`, which failed just now, is
// chosen only when there is no other.
template <class InUse>  // size_t(const Endpoint&)
const Endpoint* choose_endpoint(const config::EndpointSet& set, uint64_t random,
                                const InUse& in_use, const Endpoint* avoid) {
  const size_t count = set.endpoints.size();
  if (count == 0) return nullptr;
  const auto draw = [count](uint64_t bits) {
    return static_cast<size_t>((bits & 0xffffffff) * count >> 32);
  };
  const size_t first = draw(random);
  size_t second = draw(random >> 32);
  if (second == first) second = (first + 1) % count;
  const auto* a = &set.endpoints[first];
  const auto* b = &set.endpoints[second];
  if (avoid != nullptr && *a == *avoid) return b;
  if (avoid != nullptr && *b == *avoid) return a;
  return in_use(*b) < in_use(*a) ? b : a;
}

}  // namespace keelson::proxy
