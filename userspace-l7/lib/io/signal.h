// Signal: turns a process signal into a callback on one loop. Destroying it stops the watch.
// The loop's thread only; several loops may watch the same signal, each is called.
#pragma once

#include <functional>

#include "io/event_loop.h"

namespace keelson::io {

class Signal {
 public:
  Signal(EventLoop& loop, int signal_number, std::function<void()> on_signal);

 private:
  Handle<uv_signal_t, std::function<void()>> handle_;
};

}  // namespace keelson::io
