// FakeAlarms: alarms that ring when a test says so. One thread.
#pragma once

#include <map>
#include <vector>

#include "proxy/hbone/alarm.h"

namespace keelson::proxy {

class FakeAlarms final : public hbone::Alarms {
 public:
  std::unique_ptr<hbone::Alarm> make(std::function<void()> on_expired) override {
    return std::make_unique<FakeAlarm>(*this, std::move(on_expired));
  }
  size_t running() const { return running_.size(); }
  // Every alarm that runs now rings once, the one that is due first.
  void ring_all() { ring_within(std::chrono::milliseconds::max()); }
  // Only those that are due within this time.
  void ring_within(std::chrono::milliseconds time) {
    const auto due = running_;
    for (const auto& [order, alarm] : due) {
      if (order.first - now_ > time || !running_.contains(order)) continue;
      alarm->stop();
      alarm->on_expired();
    }
  }

  // Time passes; whatever is due at its end rings then.
  void advance(std::chrono::milliseconds time) {
    now_ += time;
    ring_within(std::chrono::milliseconds(0));
  }

 private:
  using Order = std::pair<std::chrono::milliseconds, uint64_t>;  // when due, number of its start
  struct FakeAlarm final : hbone::Alarm {
    FakeAlarm(FakeAlarms& owner, std::function<void()> call)
        : alarms(owner), on_expired(std::move(call)) {}
    ~FakeAlarm() override { stop(); }
    void start(std::chrono::milliseconds delay) override {
      stop();
      order = {alarms.now_ + delay, ++alarms.started_};
      alarms.running_[order] = this;
    }
    void stop() noexcept override { alarms.running_.erase(order); }
    bool is_running() const noexcept override { return alarms.running_.contains(order); }
    FakeAlarms& alarms;
    std::function<void()> on_expired;
    Order order;
  };

  std::map<Order, FakeAlarm*> running_;
  std::chrono::milliseconds now_{0};
  uint64_t started_ = 0;
};

}  // namespace keelson::proxy
