// FlowEvents: reads the kernel's flow events (ring buffer ks_events). The owner polls epoll_fd()
// on its loop and calls drain(), which never waits. Agent loop only. One reader a node: records
// are consumed. Names of pods and policies are admin/'s.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "datapath/pins.h"
#include "keelson_abi/abi.h"

struct ring_buffer;

namespace keelson::datapath {

class FlowEvents {
 public:
  using Callback = std::function<void(const ks_event&)>;

  static Result<std::unique_ptr<FlowEvents>> open(const Pins& pins, Callback callback);
  ~FlowEvents();
  FlowEvents(const FlowEvents&) = delete;
  FlowEvents& operator=(const FlowEvents&) = delete;

  int epoll_fd() const noexcept;
  // Hands everything that is there to the callback; returns how many.
  Result<uint32_t> drain();

 private:
  explicit FlowEvents(Callback callback) : callback_(std::move(callback)) {}
  static int on_record(void* self, void* data, size_t bytes) noexcept;

  Callback callback_;
  Fd map_;
  ring_buffer* ring_ = nullptr;
};

}  // namespace keelson::datapath
