// FakeAlarms: alarms that ring when a test says so. One thread.
#pragma once

#include <set>

#include "proxy/hbone/alarm.h"

namespace keelson::proxy {

class FakeAlarms final : public hbone::Alarms {
 public:
  std::unique_ptr<hbone::Alarm> make(std::function<void()> on_expired) override {
    return std::make_unique<FakeAlarm>(*this, std::move(on_expired));
  }
  size_t running() const { return running_.size(); }
  // Every alarm that runs now rings once.
  void ring_all() {
    for (FakeAlarm* alarm : std::set(running_)) {
      if (!running_.contains(alarm)) continue;
      alarm->stop();
      alarm->on_expired();
    }
  }

 private:
  struct FakeAlarm final : hbone::Alarm {
    FakeAlarm(FakeAlarms& owner, std::function<void()> call)
        : alarms(owner), on_expired(std::move(call)) {}
    ~FakeAlarm() override { stop(); }
    void start(std::chrono::milliseconds) override { alarms.running_.insert(this); }
    void stop() noexcept override { alarms.running_.erase(this); }
    bool is_running() const noexcept override {
      return alarms.running_.contains(const_cast<FakeAlarm*>(this));
    }
    FakeAlarms& alarms;
    std::function<void()> on_expired;
  };
  std::set<FakeAlarm*> running_;
};

}  // namespace keelson::proxy
