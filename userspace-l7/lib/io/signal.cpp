#include "io/signal.h"

namespace keelson::io {

Signal::Signal(EventLoop& loop, int signal_number, std::function<void()> on_signal) {
  using SignalHandle = Handle<uv_signal_t, std::function<void()>>;
  int status = handle_.open(std::move(on_signal), [&loop](uv_signal_t* signal) {
    return uv_signal_init(loop.raw(), signal);
  });
  KS_ASSERT(status == 0);
  status = uv_signal_start(
      handle_.get(),
      [](uv_signal_t* signal, int) {
        if (auto* callback = SignalHandle::payload_of(signal)) (*callback)();
      },
      signal_number);
  KS_ASSERT(status == 0);  // fails only for a number that is no catchable signal
}

}  // namespace keelson::io
