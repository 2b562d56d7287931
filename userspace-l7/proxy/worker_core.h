// WorkerCore: everything that lives on one worker's loop: its pods' listeners, connections, HBONE
// servers, tunnel pool, sockets and scheduler, and the configuration they serve. One thread.
// A pod's home worker is slot % workers; nobody else touches its connections.
#pragma once

#include <memory>
#include <unordered_map>

#include "io/event_loop.h"
#include "io/idle.h"
#include "proxy/connection.h"
#include "proxy/downstream/http_connection.h"
#include "proxy/downstream/inbound.h"
#include "proxy/downstream/outbound.h"
#include "proxy/downstream/tunnel_dialer.h"
#include "proxy/listeners.h"
#include "tls/signer.h"

namespace keelson::proxy {

struct WorkerPlace {
  unsigned index = 0;
  unsigned count = 1;
  bool is_home_of(const config::LocalPod& pod) const noexcept { return pod.slot % count == index; }
};

class WorkerCore final : private Registry, private InboundServer::Owner {
 public:
  struct Parts {
    WorkerPlace place;
    io::EventLoop& loop;
    BlockPool& blocks;  // outlives what this leaves in the loop's mailbox
    SocketSupply& supply;
    AccessLog& log;
    const Clock& clock;
    Stats& stats;
  };
  explicit WorkerCore(const Parts& parts);
  ~WorkerCore();
  WorkerCore(const WorkerCore&) = delete;
  WorkerCore& operator=(const WorkerCore&) = delete;

  // They come from an agent that may be a new one, with listeners that are not the old ones.
  void set_facts(std::shared_ptr<const SocketFacts> facts) {
    facts_ = std::move(facts);
    listeners_.refresh();
  }
  void apply(ConfigLease config);
  // Stops accepting, drains the HBONE servers; `on_idle` once, when no connection is left and what
  // was kept for requests has ended in order.
  void begin_drain(std::function<void()> on_idle);
  // The deadline is near: HTTP ends between two requests, on both sides. Opaque TCP ends
  // after an answer that nothing has followed for a while.
  void last_call();
  void reset_all();

 private:
  void run_turn();
  void accept_of_leaving(const ServingConfig& next);
  void let_go(const config::LocalPod& pod);
  void forget_sockets(const ServingConfig& before);
  void update_pods();
  void retire_tunnels(const ServingConfig& before);
  void on_accept(const std::string& uid, ks_role role, io::Socket socket);
  Result<void> admit(const std::shared_ptr<const config::LocalPod>& pod, ks_role role,
                     io::Socket& socket);
  void log_refusal(const config::LocalPod* pod, ks_role role, const io::Socket& socket,
                   const Error& why);
  void on_trouble(const Error& why);
  void end_kept();
  void check_idle();

  void remove(Connection& connection) noexcept override;
  void remove(InboundServer& server) noexcept override;
  void add(std::unique_ptr<InboundTunnel> tunnel) override;

  const Parts parts_;
  ConfigLease config_;
  std::shared_ptr<const SocketFacts> facts_;
  const Services services_;  // references to what follows
  io::Idle turn_;
  Scheduler scheduler_;
  hbone::LoopAlarms alarms_;
  tls::ThreadSigner signer_;
  WorkerSupply supply_;
  SocketStock sockets_;
  TunnelDialer dialer_;
  const hbone::Environment environment_;
  hbone::Pool tunnels_;
  MeshConnector connector_;
  UpstreamPool upstreams_;
  PodsInUse pods_in_use_;
  Rng rng_;
  std::unordered_map<std::string, std::shared_ptr<const config::LocalPod>> pods_;  // at home here
  std::unordered_map<InboundServer*, std::unique_ptr<InboundServer>> servers_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  Listeners listeners_;
  std::function<void()> on_idle_;
  std::unique_ptr<hbone::Alarm> end_patience_;  // for what was kept, once nothing else is left
  bool is_draining_ = false;
};

}  // namespace keelson::proxy
