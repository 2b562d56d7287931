// Scheduler: decides which connection of a worker runs next: deficit round robin over tenants, so
// that a namespace with ten thousand busy connections gets no more than one with a single one.
// TLS handshakes are rationed per turn, so that a burst of them does not delay others' bytes.
// The only caller of take_turn(): readiness, timers and answers merely wake(). Hence no
// re-entrancy. One thread: its worker's. Knows neither loop nor sockets.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/limits.h"
#include "proxy/tenant.h"

namespace keelson::proxy {

class Scheduler final : public hbone::Scheduler {
 public:
  struct Limits {
    size_t turn_bytes = kTurnBytes;
    size_t quantum_bytes = kTenantQuantumBytes;
    size_t run_cost_min = kRunCostBytesMin;
    int handshakes = kHandshakesPerTurn;
    size_t tenant_memory_bytes = kPoolBlocksMax * kBlockBytes / kTenantPoolShare;
  };

  // `on_work`: there is something to run and was nothing before; arrange a run_turn().
  explicit Scheduler(std::function<void()> on_work) : Scheduler(std::move(on_work), Limits()) {}
  Scheduler(std::function<void()> on_work, const Limits& limits);

  // Kept for the scheduler's life: namespaces are few.
  Tenant& tenant(std::string_view name);
  // Runs what is ready within the turn's budget. True: there is more, arrange another turn.
  bool run_turn();
  bool has_work() const noexcept { return !active_.empty() || !deferring_.empty(); }

  void schedule(hbone::Runnable& work) noexcept override;
  void forget(hbone::Runnable& work) noexcept override;

 private:
  static void append(Tenant::Queue& queue, hbone::Runnable& work) noexcept;
  Tenant& tenant_of(hbone::Tenant id);
  void activate(Tenant& tenant);
  void resume_deferred();
  void run_tenant(Tenant& tenant, size_t& spent);

  const std::function<void()> on_work_;
  const Limits limits_;
  std::unordered_map<uint64_t, std::unique_ptr<Tenant>> tenants_;
  std::deque<Tenant*> active_;      // in round-robin order; may hold one whose work was forgotten
  std::vector<Tenant*> deferring_;  // with something in deferred_, or that was forgotten
  int handshakes_left_ = 0;         // in this turn
  bool is_running_ = false;
};

}  // namespace keelson::proxy
