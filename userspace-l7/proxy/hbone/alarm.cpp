#include "proxy/hbone/alarm.h"

#include "io/timer.h"

namespace keelson::hbone {
namespace {

class LoopAlarm final : public Alarm {
 public:
  LoopAlarm(io::EventLoop& loop, std::function<void()> on_expired)
      : timer_(loop, std::move(on_expired)) {}
  void start(std::chrono::milliseconds delay) override { timer_.start(delay); }
  void stop() noexcept override { timer_.stop(); }
  bool is_running() const noexcept override { return timer_.is_active(); }

 private:
  io::Timer timer_;
};

}  // namespace

std::unique_ptr<Alarm> LoopAlarms::make(std::function<void()> on_expired) {
  return std::make_unique<LoopAlarm>(loop_, std::move(on_expired));
}

}  // namespace keelson::hbone
