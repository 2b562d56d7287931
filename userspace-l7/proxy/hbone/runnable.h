// Runnable: something that has work, and Scheduler: the seam that decides when it gets its turn.
// Readiness (sockets, alarms, signer) only calls wake(); the proxy's scheduler calls run(), so that
// no handler ever runs inside another one and tenants take turns. One thread: the worker's.
// Does not order anything itself.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson::hbone {

// Whose share a piece of work is taken from; the number is the scheduler's own (it may be the
// address of what it keeps for a namespace).
enum class Tenant : uint64_t {};

class Runnable;

class Scheduler {
 public:
  // Queues `work` for a later turn, also while it runs. Never runs it within the call. `work` is
  // not queued yet.
  virtual void schedule(Runnable& work) noexcept = 0;
  // Takes a queued `work` out: it is being destroyed.
  virtual void forget(Runnable& work) noexcept = 0;

 protected:
  ~Scheduler() = default;
};

class Runnable {
 public:
  // `scheduler` outlives it.
  Runnable(Scheduler& scheduler, Tenant tenant) noexcept : scheduler_(scheduler), tenant_(tenant) {}
  virtual ~Runnable() {
    if (is_queued_) scheduler_.forget(*this);
  }
  Runnable(const Runnable&) = delete;
  Runnable& operator=(const Runnable&) = delete;

  void wake() noexcept {
    if (is_queued_) return;
    is_queued_ = true;
    scheduler_.schedule(*this);
  }

  // For the scheduler, which has taken it off its queue: works until nothing is left or about
  // `budget_bytes` were moved, and returns how many; with more to do it has called wake() itself.
  // May destroy this object and others.
  size_t take_turn(size_t budget_bytes) {
    is_queued_ = false;
    return run(budget_bytes);
  }

  // The next turn begins a TLS handshake: what the scheduler rations.
  virtual bool begins_handshake() const noexcept { return false; }
  Tenant tenant() const noexcept { return tenant_; }
  bool is_queued() const noexcept { return is_queued_; }

  // The scheduler's own links; nobody else's business.
  Runnable* next = nullptr;
  Runnable* previous = nullptr;

 private:
  virtual size_t run(size_t budget_bytes) = 0;

  Scheduler& scheduler_;
  const Tenant tenant_;
  bool is_queued_ = false;
};

}  // namespace keelson::hbone
