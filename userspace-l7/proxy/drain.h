// Drain: the orderly end of the process: everybody stops accepting and tells its peers, then the
// connections end by themselves; shortly before the deadline those that can tell are asked to end
// where they are quiet; what is left at the deadline is reset. One thread: the main loop's.
// Knows neither connections nor sockets.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/hbone/alarm.h"

namespace keelson::proxy {

class Drained {
 public:
  // Stops accepting, sends GOAWAY; `on_idle` is called once, on the Drain's thread, when no
  // connection is left, also after reset_all().
  virtual void begin_drain(std::function<void()> on_idle) = 0;
  virtual void last_call() = 0;
  virtual void reset_all() = 0;

 protected:
  ~Drained() = default;
};

class Drain {
 public:
  Drain(std::vector<Drained*> drained, hbone::Alarms& alarms, std::chrono::seconds deadline,
        std::function<void()> on_finished);

  // The first call begins; a second one does not wait for the deadline.
  void request();
  bool has_begun() const noexcept { return has_begun_; }

 private:
  void call_last();
  void force();
  void on_idle();

  const std::vector<Drained*> drained_;
  const std::chrono::seconds deadline_;
  const std::function<void()> on_finished_;
  const std::unique_ptr<hbone::Alarm> alarm_;
  const std::unique_ptr<hbone::Alarm> last_call_;
  size_t busy_ = 0;
  bool has_begun_ = false;
  bool is_forced_ = false;
};

}  // namespace keelson::proxy
