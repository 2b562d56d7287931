#include "proxy/route/backend_choice.h"

namespace keelson::proxy {
namespace {

// floor(random * bound / 2^64): for a random 64-bit number each value below `bound` comes up
// equally often, give or take one in 2^64 / bound (Lemire 2019, without its rejection step).
uint64_t below(uint64_t bound, uint64_t random) noexcept {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(static_cast<Wide>(random) * bound >> 64);
}

}  // namespace

const config::RouteBackend* choose_backend(const config::RouteRule& rule,
                                           uint64_t random) noexcept {
  uint64_t sum = 0;
  for (const config::RouteBackend& backend : rule.backends) sum += backend.weight;
  if (sum == 0) return nullptr;
  uint64_t left = below(sum, random);
  for (const config::RouteBackend& backend : rule.backends) {
    if (left < backend.weight) return &backend;
    left -= backend.weight;
  }
  return nullptr;  // not reached: `left` began below the sum
}

}  // namespace keelson::proxy
