// Publisher: the seam between a rollout and the proxy's configuration channel. Publishing is
// asynchronous: the result arrives as Rollout::on_published. Agent loop only.
// With no proxy connected nothing is waited for: captured connections wait in the backlog.
#pragma once

#include <cstdint>

namespace keelson::rollout {

class Publisher {
 public:
  virtual ~Publisher() = default;
  // Hands configuration `generation` to the proxy. False: no proxy is connected.
  virtual bool publish(uint64_t generation) = 0;
};

}  // namespace keelson::rollout
