// Alarm: one time limit of a connection; Alarms: the seam that makes them, so that tests drive
// time. One thread: the loop's. Alarms do no work, they wake a Runnable.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace keelson::io {
class EventLoop;
}

namespace keelson::hbone {

class Alarm {
 public:
  virtual ~Alarm() = default;  // stops it
  // Once, after `delay`; starting a running one moves its end.
  virtual void start(std::chrono::milliseconds delay) = 0;
  virtual void stop() noexcept = 0;
  virtual bool is_running() const noexcept = 0;
};

class Alarms {
 public:
  // `on_expired` only queues work.
  virtual std::unique_ptr<Alarm> make(std::function<void()> on_expired) = 0;

 protected:
  ~Alarms() = default;
};

// On a loop, which outlives the alarms.
class LoopAlarms final : public Alarms {
 public:
  explicit LoopAlarms(io::EventLoop& loop) noexcept : loop_(loop) {}
  std::unique_ptr<Alarm> make(std::function<void()> on_expired) override;

 private:
  io::EventLoop& loop_;
};

}  // namespace keelson::hbone
