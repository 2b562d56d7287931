#include "proxy/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/content_id.h"

namespace keelson::proxy {

Scheduler::Scheduler(std::function<void()> on_work, const Limits& limits)
    : on_work_(std::move(on_work)), limits_(limits) {
  KS_ASSERT(limits_.quantum_bytes > 0 && limits_.run_cost_min > 0);
  // Nobody's work: the tunnel pool's own.
  tenants_[0] = std::make_unique<Tenant>(hbone::Tenant{}, "", limits_.tenant_memory_bytes);
}

Tenant& Scheduler::tenant(std::string_view name) {
  const uint64_t id = content_id(name);
  auto& slot = tenants_[id];
  if (!slot) slot = std::make_unique<Tenant>(hbone::Tenant{id}, name, limits_.tenant_memory_bytes);
  return *slot;
}

Tenant& Scheduler::tenant_of(hbone::Tenant id) {
  const auto found = tenants_.find(static_cast<uint64_t>(id));
  KS_ASSERT(found != tenants_.end());
  return *found->second;
}

void Scheduler::append(Tenant::Queue& queue, hbone::Runnable& work) noexcept {
  work.next = nullptr;
  work.previous = queue.last;
  (queue.last != nullptr ? queue.last->next : queue.first) = &work;
  queue.last = &work;
}

void Scheduler::schedule(hbone::Runnable& work) noexcept {
  const bool was_idle = !has_work();
  Tenant& tenant = tenant_of(work.tenant());
  append(tenant.ready_, work);
  activate(tenant);
  if (was_idle && !is_running_) on_work_();
}

void Scheduler::forget(hbone::Runnable& work) noexcept {
  Tenant& tenant = tenant_of(work.tenant());
  // It is in one of the two; the ends of the other one are never this work.
  for (Tenant::Queue* queue : {&tenant.ready_, &tenant.deferred_}) {
    if (queue->first == &work) queue->first = work.next;
    if (queue->last == &work) queue->last = work.previous;
  }
  if (work.previous != nullptr) work.previous->next = work.next;
  if (work.next != nullptr) work.next->previous = work.previous;
  work.next = work.previous = nullptr;
}

void Scheduler::activate(Tenant& tenant) {
  if (tenant.is_active_) return;
  tenant.is_active_ = true;
  active_.push_back(&tenant);
}

void Scheduler::resume_deferred() {
  for (Tenant* tenant : std::exchange(deferring_, {})) {
    while (tenant->deferred_.first != nullptr) {
      hbone::Runnable& work = *tenant->deferred_.first;
      forget(work);
      append(tenant->ready_, work);
    }
    if (tenant->ready_.first != nullptr) activate(*tenant);
  }
}

bool Scheduler::run_turn() {
  is_running_ = true;
  handshakes_left_ = limits_.handshakes;
  resume_deferred();
  size_t spent = 0;
  while (!active_.empty() && spent < limits_.turn_bytes) {
    Tenant& tenant = *active_.front();
    active_.pop_front();
    run_tenant(tenant, spent);
    tenant.is_active_ = false;
    if (tenant.ready_.first != nullptr) activate(tenant);
  }
  is_running_ = false;
  return has_work();
}

void Scheduler::run_tenant(Tenant& tenant, size_t& spent) {
  // A tenant in debt (its last run moved more than it had) pays that back first.
  tenant.deficit_bytes_ += static_cast<int64_t>(limits_.quantum_bytes);
  while (tenant.ready_.first != nullptr && tenant.deficit_bytes_ > 0 &&
         spent < limits_.turn_bytes) {
    hbone::Runnable& work = *tenant.ready_.first;
    forget(work);
    if (work.begins_handshake() && handshakes_left_-- <= 0) {
      if (tenant.deferred_.first == nullptr) deferring_.push_back(&tenant);
      append(tenant.deferred_, work);
      continue;
    }
    const size_t budget =
        std::min(limits_.quantum_bytes, static_cast<size_t>(tenant.deficit_bytes_));
    const size_t cost = std::max(limits_.run_cost_min, work.take_turn(budget));
    tenant.deficit_bytes_ -= static_cast<int64_t>(cost);
    spent += cost;
  }
  // Nobody saves up, neither by idling nor because the turn ended; debts stay.
  tenant.deficit_bytes_ = std::min<int64_t>(tenant.deficit_bytes_, 0);
}

}  // namespace keelson::proxy
