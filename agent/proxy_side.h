// ProxySide: everything the agent keeps for the node's proxies: their configuration and keys over
// the link, and the certificates of this node's service accounts. Only wiring, like App, which owns
// it. Agent loop only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "admin/admin_state.h"
#include "identity/key_store.h"
#include "identity/key_vault.h"
#include "io/timer.h"
#include "issuing.h"
#include "pods/enrolment.h"
#include "proxylink/proxy_link.h"

namespace keelson {

class ProxySide {
 public:
  ProxySide(io::EventLoop& loop, const Clock& clock, link::HoldClient& hold, IssuingOptions issuing,
            proxylink::ProxyMapFds maps, proxylink::ProxyLink::Callbacks callbacks,
            std::function<void()> on_key);

  Result<void> start(const std::string& socket_path);
  void shut() noexcept { link_.shut(); }

  rollout::Publisher& publisher() noexcept { return link_; }
  // After each compile, before the rollout publishes: what proxies shall know, and whose keys.
  // `pods`: all that are in the mesh, join or leave it; the keys of others are dropped, in hold
  // too.
  void prepare(const compile::Plan& plan, const model::Snapshot& snapshot,
               const std::vector<pods::WantedPod>& pods);
  // The next state() has newer counters.
  void request_stats() { link_.request_stats(); }
  // Does what is due: also after hold may have been restarted.
  void renew();

  // Whether the pod's service account has a key that proxies are told of; `on_key` tells when it
  // may have become true.
  bool has_key(const model::Pod& pod) const;

  admin::ProxyState state() const;
  std::vector<model::Finding> findings() const;

 private:
  admin::IdentityCounters identity_counters() const;

  Issuing issuing_;
  identity::HoldVault vault_;
  proxylink::ProxyLink link_;
  identity::KeyStore keys_;
  io::Timer renewal_;
  const Clock& clock_;
};

}  // namespace keelson
