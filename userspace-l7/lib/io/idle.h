// Idle: calls back once, in the loop's next round: after the events that are there now have been
// told. Not a timer of zero length: libuv 1.44 runs one that its callback starts again in the same
// round, over and over, and sees no event until it stops. One thread: the loop's.
#pragma once

#include <functional>

#include "io/event_loop.h"

namespace keelson::io {

class Idle {
 public:
  Idle(EventLoop& loop, std::function<void()> on_round);
  void start() noexcept;  // also from the callback; starting a started one changes nothing

 private:
  Handle<uv_idle_t, std::function<void()>> handle_;
};

}  // namespace keelson::io
