#include "proxy/worker.h"

#include <pthread.h>

namespace keelson::proxy {

Worker::Worker(const Parts& parts) : parts_(parts) {
  if (parts_.live != nullptr) stats_.connections_active.show_in(*parts_.live);
  std::promise<void> is_ready;
  const std::future<void> ready = is_ready.get_future();
  thread_ = std::thread([this, told = std::move(is_ready)]() mutable { run(std::move(told)); });
  ready.wait();
}

Worker::~Worker() {
  // The mailbox has room once the loop has run; a full one is only a matter of time.
  while (!loop_.post([this] { loop_.stop(); })) std::this_thread::yield();
  thread_.join();
}

void Worker::run(std::promise<void> is_ready) {
  ::pthread_setname_np(::pthread_self(), "worker");
  BlockPool blocks;
  {
    WorkerCore core({parts_.place, loop_, blocks, parts_.supply, parts_.log, parts_.clock, stats_});
    core_ = &core;
    is_ready.set_value();
    loop_.run();
    core_ = nullptr;
  }
  // What the signer posted last still holds blocks.
  loop_.run_ready();
}

bool Worker::set_facts(std::shared_ptr<const SocketFacts> facts) {
  return loop_.post([this, facts = std::move(facts)]() mutable {
    if (core_ != nullptr) core_->set_facts(std::move(facts));
  });
}

bool Worker::apply(ConfigLease config, std::function<void()> on_taken) {
  return loop_.post([this, config = std::move(config), on_taken = std::move(on_taken)]() mutable {
    if (core_ == nullptr) return;
    core_->apply(std::move(config));
    on_taken();
  });
}

bool Worker::begin_drain(std::function<void()> on_idle) {
  return loop_.post([this, on_idle = std::move(on_idle)]() mutable {
    if (core_ != nullptr) core_->begin_drain(std::move(on_idle));
  });
}

bool Worker::last_call() {
  return loop_.post([this] {
    if (core_ != nullptr) core_->last_call();
  });
}

bool Worker::reset_all() {
  return loop_.post([this] {
    if (core_ != nullptr) core_->reset_all();
  });
}

}  // namespace keelson::proxy
