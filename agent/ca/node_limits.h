// NodeLimits: how many certificates a node may ask for: a token bucket each, so that a compromised
// node can neither fill the issuance log nor keep the CA and the API server busy. Pure: time comes
// in. One thread. Remembers only nodes whose bucket is not full, at most kNodesMax of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

#include "base/clock.h"

namespace keelson::ca {

struct NodeRate {
  // A node of 110 pods with an account each asks once for all of them when it joins the mesh, and
  // for one every few minutes (half of 24 h, divided by the accounts) afterwards.
  unsigned burst = 120;
  unsigned per_minute = 60;
};

class NodeLimits {
 public:
  static constexpr size_t kNodesMax = 16384;  // with a bucket that is not full; more: refused

  explicit NodeLimits(NodeRate rate) noexcept;  // neither part is 0
  // Takes one from the node's bucket. False: it is empty.
  bool take(const std::string& node, MonotonicTime now);
  size_t nodes() const noexcept { return full_at_.size(); }

 private:
  const MonotonicTime::duration interval_;  // in which one comes back
  const MonotonicTime::duration depth_;
  std::map<std::string, MonotonicTime> full_at_;  // when the node's bucket will be full again
};

}  // namespace keelson::ca
