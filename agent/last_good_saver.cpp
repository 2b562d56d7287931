#include "last_good_saver.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

namespace keelson {

LastGoodSaver::LastGoodSaver(std::string dir)
    : folder_(std::move(dir)), thread_([this] { run(); }) {}

LastGoodSaver::~LastGoodSaver() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void LastGoodSaver::save(model::Copies copies) {
  {
    const std::lock_guard lock(mutex_);
    waiting_ = std::move(copies);
  }
  changed_.notify_one();
}

void LastGoodSaver::run() {
  ::pthread_setname_np(::pthread_self(), "last-good");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || waiting_; });
    if (!waiting_) return;
    const model::Copies copies = *std::exchange(waiting_, {});
    lock.unlock();
    if (const auto saved = folder_.save(copies); !saved)
      spdlog::error("component=model msg=\"{}\"", saved.error().message());
    lock.lock();
  }
}

}  // namespace keelson
