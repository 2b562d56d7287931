// ProxyLink: the agent's end of proxy.sock. Holds what the node's proxies shall know (configuration
// and keys), sends all of it to each that connects and after each change, and tells the rollout
// when the newest proxy serves what was published. Agent loop only; its callbacks come from the
// loop, never from within a call. Two proxies at once (a planned restart): both get every update,
// the newest one's answer counts. With no proxy nothing is waited for
// (rollout.h). Does not judge: what a proxy sends is answers and counters.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "config/encode.h"
#include "io/event_loop.h"
#include "io/poll.h"
#include "io/timer.h"
#include "link/hold_messages.h"
#include "model/finding.h"
#include "proxylink/proxy_connection.h"
#include "rollout/publisher.h"

namespace keelson::proxylink {

struct ProxyMapFds {
  Fd sockets;  // ks_socket, opened read only: a proxy must not be able to attest for itself
  Fd notes;    // ks_note
};

struct ProxyLinkOptions {
  std::vector<uid_t> uids = {link::kAgentUid, link::kProxyUid};  // who may connect
  // How long a proxy may take to say Hello, to read anything, and to acknowledge (a finding).
  std::chrono::milliseconds patience = std::chrono::seconds(10);
  size_t connections_max = 4;
};

struct ProxyStatus {
  bool connected = false;
  uint32_t pid = 0;  // as it says, in its own pid namespace
  std::string version;
  uint32_t workers = 0;
  uint64_t acknowledged_generation = 0;  // of the model; 0: none yet
  size_t connections = 0;                // 2 while one proxy replaces another
  std::optional<config::Stats> stats;    // the last answer to request_stats()
};

struct ProxyLinkCounts {
  uint64_t connected_total = 0;     // said a valid Hello
  uint64_t refused_total = 0;       // wrong user, or too many
  uint64_t dropped_total = 0;       // broke the protocol or did not read
  uint64_t updates_total = 0;       // configurations sent, to however many
  uint64_t streams_lost_total = 0;  // carried by proxies when they crashed
};

class ProxyLink final : public rollout::Publisher {
 public:
  struct Callbacks {
    std::function<void(uint64_t ticket)> on_published;            // Rollout::on_published
    std::function<void()> on_proxy_lost;                          // the last one is gone
    std::function<void()> on_proxy_connected;                     // the first one is there
    std::function<void(const config::Denials&)> on_denials = {};  // of any proxy
  };
  ProxyLink(io::EventLoop& loop, const Clock& clock, ProxyMapFds maps, Callbacks callbacks,
            ProxyLinkOptions options = {});
  ~ProxyLink() override;

  Result<void> listen(const std::string& socket_path);
  // A newer agent owns the node: proxies shall connect to that one. No callbacks.
  void shut() noexcept;

  // What proxies shall know. Sent in the loop's next turn, or by publish(). Nothing is sent when it
  // says the same as before.
  void set_config(std::shared_ptr<const config::RuntimeConfig> config);
  // The sealed key material of an identity of this node; null: nobody may use it any more.
  void set_key(uint64_t identity, std::shared_ptr<const Fd> sealed);
  bool publish(uint64_t ticket) override;

  void request_stats();
  ProxyStatus status() const;
  const ProxyLinkCounts& counts() const noexcept { return counts_; }
  std::vector<model::Finding> findings() const;

 private:
  using Connections = std::vector<std::unique_ptr<ProxyConnection>>;  // oldest first

  void accept_some();
  void accept(Fd socket);
  void change_soon();
  void settle();
  bool reap();
  void send_changes();
  void make_update();
  void tell_rollout();
  void hand_over_denials();
  void keep_gauge(ProxyConnection& dead);
  void count_lost();
  ProxyConnection* newest() const;
  uint64_t model_generation(uint64_t wire_generation) const;
  void note_refusal(const Error& error);

  io::EventLoop& loop_;
  const Clock& clock_;
  const ProxyMapFds maps_;
  const Callbacks callbacks_;
  const ProxyLinkOptions options_;
  Fd listener_;
  std::optional<io::Poll> listener_poll_;
  io::Timer settle_timer_, accept_timer_, gauge_timer_;
  Connections connections_;
  std::shared_ptr<const config::RuntimeConfig> config_;
  std::map<uint64_t, std::shared_ptr<const Fd>> keys_;
  std::shared_ptr<const Update> update_;                   // null: config_ or keys_ changed since
  uint64_t wire_generation_ = 0;                           // of the newest update made
  std::deque<std::pair<uint64_t, uint64_t>> generations_;  // wire -> model, of updates made
  uint64_t ticket_ = 0;                                    // what the rollout waits for; 0: nothing
  uint64_t ticket_generation_ = 0;                         // wire generation that answers it
  bool was_connected_ = false;
  std::optional<Error> last_refusal_;             // of a proxy, while none is connected
  std::vector<link::LiveGaugeView> lost_gauges_;  // of proxies that may be dead
  ProxyLinkCounts counts_;
};

}  // namespace keelson::proxylink
