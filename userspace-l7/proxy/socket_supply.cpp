#include "proxy/socket_supply.h"

#include "base/limits.h"

namespace keelson::proxy {

SocketSupply::SocketSupply(std::unique_ptr<PodSockets> hold)
    : hold_(std::move(hold)), thread_([this] { work(); }) {}

SocketSupply::~SocketSupply() {
  stop();
}

void SocketSupply::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool SocketSupply::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_ || jobs_.size() >= kMailboxMessagesMax) return false;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void SocketSupply::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
    if (is_stopping_) return;
    {
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job(*hold_);
    }
    lock.lock();
  }
}

template <class Value, class Ask>
void WorkerSupply::ask(Ask request, std::function<void(Result<Value>)> on_answer) {
  auto job = [request, on_answer, loop = &loop_, alive = is_alive_](PodSockets& hold) {
    // A refused post loses the answer: the stock's and the listeners' own timers ask again.
    static_cast<void>(loop->post([answer = request(hold), on_answer, alive]() mutable {
      if (*alive) on_answer(std::move(answer));
    }));
  };
  if (supply_.submit(std::move(job))) return;
  static_cast<void>(loop_.post([on_answer, alive = is_alive_] {
    if (*alive)
      on_answer(fail(Reason::mailbox_full, ErrorSource::kInternal, "too many wait for hold"));
  }));
}

void WorkerSupply::fetch(const SocketKind& kind, uint32_t count, OnSockets on_sockets) {
  ask<std::vector<Fd>>([kind, count](PodSockets& hold) { return hold.sockets(kind, count); },
                       std::move(on_sockets));
}

void WorkerSupply::fetch_listeners(const std::string& pod, OnListeners on_listeners) {
  ask<link::PodListeners>([pod](PodSockets& hold) { return hold.listeners(pod); },
                          std::move(on_listeners));
}

}  // namespace keelson::proxy
