// FlowEvents: reads the kernel's flow events (ring buffer ks_events). The owner polls epoll_fd()
// on its loop and calls drain(), which never waits. Agent loop only. One reader a node: records
// are consumed. Names of pods and policies are admin/'s.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "datapath/pins.h"

struct ring_buffer;

namespace keelson::datapath {

struct FlowEvent {
  MonotonicTime time;
  ks_hook hook = KS_HOOK_CONNECT;
  bool allowed = false;
  Reason reason = Reason::none;
  uint64_t source_pod = 0;  // netns cookie; 0: not a local pod
  uint64_t source_identity = 0;
  uint64_t destination_pod = 0;
  uint64_t destination_identity = 0;
  uint64_t service = 0;
  uint64_t policy = 0;
  Endpoint source;
  Endpoint destination;  // where the connection really goes
  Endpoint original;     // what was dialled
};

FlowEvent decode_event(const ks_event& raw) noexcept;

class FlowEvents {
 public:
  using Callback = std::function<void(const FlowEvent&)>;

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
