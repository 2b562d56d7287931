// Tenant: one source namespace as a worker sees it: what is charged to it, and its place in the
// scheduler's rounds. One thread: its worker's. Made by the Scheduler, kept for the worker's life.
// Does not enforce anything itself: relays ask before they buffer, accepting asks before it admits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/hbone/byte_budget.h"
#include "proxy/hbone/runnable.h"

namespace keelson::proxy {

class Tenant {
 public:
  Tenant(hbone::Tenant id, std::string_view name, size_t memory_bytes_max)
      : id_(id),
        name_(name),
        memory_bytes_max_(memory_bytes_max),
        tunnel_budget_(std::make_shared<hbone::ByteBudget>(memory_bytes_max)) {}
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;

  hbone::Tenant id() const noexcept { return id_; }
  const std::string& name() const noexcept { return name_; }
  // What tunnels hold for their readers.
  const std::shared_ptr<hbone::ByteBudget>& tunnel_budget() const noexcept {
    return tunnel_budget_;
  }
  bool may_buffer() const noexcept { return buffered_bytes < memory_bytes_max_; }

  size_t buffered_bytes = 0;  // in its relays
  size_t connections = 0;

 private:
  friend class Scheduler;
  const hbone::Tenant id_;
  const std::string name_;
  const size_t memory_bytes_max_;
  const std::shared_ptr<hbone::ByteBudget> tunnel_budget_;
  struct Queue {
    hbone::Runnable* first = nullptr;
    hbone::Runnable* last = nullptr;
  };
  Queue ready_;
  Queue deferred_;  // for the next turn
  int64_t deficit_bytes_ = 0;
  bool is_active_ = false;
};

}  // namespace keelson::proxy
