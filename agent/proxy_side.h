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
  // too. `leaving`: uids of pods whose hooks are still there, though the plan knows them no more.
  void prepare(const compile::Plan& plan, const model::Snapshot& snapshot,
               const std::vector<pods::WantedPod>& pods, const std::vector<std::string>& leaving);
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
  std::shared_ptr<const config::RuntimeConfig> config_;  // what proxies were given last
};

// The configuration with the pods that leave as `before` had them: the kernel captures their
// connections until its rows are gone, which is after the proxies were told, and what was captured
// must be accepted. Null `before`: `next` itself. Pure.
std::shared_ptr<const config::RuntimeConfig> with_leaving(
    std::shared_ptr<const config::RuntimeConfig> next, const config::RuntimeConfig* before,
    const std::vector<std::string>& leaving);

}  // namespace keelson
