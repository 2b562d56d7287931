// Worker: a thread with its loop and a WorkerCore on it. Its methods may be called from any thread:
// they post; callbacks run on the worker's thread. Destroying it ends its connections by reset.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "proxy/worker_core.h"

namespace keelson::proxy {

class Worker {
 public:
  struct Parts {
    WorkerPlace place;
    SocketSupply& supply;  // outlives the worker, but is stopped before: it answers to this loop
    AccessLog& log;
    const Clock& clock;
    std::atomic<uint64_t>* live = nullptr;  // where to show connections_active; outlives it
  };
  // Returns when all its threads run: the system call filter that comes next allows no new ones.
  explicit Worker(const Parts& parts);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False (each): the worker's mailbox is full and nothing will happen.
  [[nodiscard]] bool set_facts(std::shared_ptr<const SocketFacts> facts);
  [[nodiscard]] bool apply(ConfigLease config, std::function<void()> on_taken);
  [[nodiscard]] bool begin_drain(std::function<void()> on_idle);
  [[nodiscard]] bool last_call();
  [[nodiscard]] bool reset_all();

  const Stats& stats() const noexcept { return stats_; }

 private:
  void run(std::promise<void> is_ready);

  const Parts parts_;
  Stats stats_;
  io::EventLoop loop_;
  WorkerCore* core_ = nullptr;  // on the worker's thread only
  std::thread thread_;          // last: it uses all of the above
};

}  // namespace keelson::proxy
