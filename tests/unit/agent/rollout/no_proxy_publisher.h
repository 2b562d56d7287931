// NoProxyPublisher: the Publisher of a node without a proxy. Nothing is published, so a rollout
// goes straight on: what it captures waits in the listeners' backlogs until a proxy accepts it, and
// never leaves the node in plaintext. Agent loop only.
#pragma once

#include "rollout/publisher.h"

namespace keelson::rollout {

class NoProxyPublisher final : public Publisher {
 public:
  bool publish(uint64_t) override { return false; }
};

}  // namespace keelson::rollout
