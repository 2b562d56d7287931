#include "datapath/events.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

namespace keelson::datapath {

Result<std::unique_ptr<FlowEvents>> FlowEvents::open(const Pins& pins, Callback callback) {
  std::unique_ptr<FlowEvents> events(new FlowEvents(std::move(callback)));
  KS_ASSIGN(events->map_, pins.open_map("ks_events"));
  events->ring_ = ring_buffer__new(events->map_.get(), on_record, events.get(), nullptr);
  if (events->ring_ == nullptr) return fail_errno(Reason::bpf_load_failed, errno, "ks_events");
  return events;
}

FlowEvents::~FlowEvents() {
  ring_buffer__free(ring_);
}

int FlowEvents::epoll_fd() const noexcept {
  return ring_buffer__epoll_fd(ring_);
}

Result<uint32_t> FlowEvents::drain() {
  const int consumed = ring_buffer__consume(ring_);
  if (consumed < 0) return fail_errno(Reason::io_error, -consumed, "read ks_events");
  return static_cast<uint32_t>(consumed);
}

int FlowEvents::on_record(void* self, void* data, size_t bytes) noexcept {
  ks_event raw;
  if (bytes < sizeof raw) return 0;  // of another version: skip
  std::memcpy(&raw, data, sizeof raw);
  static_cast<FlowEvents*>(self)->callback_(raw);
  return 0;
}

}  // namespace keelson::datapath
