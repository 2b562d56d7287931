#include "io/idle.h"

namespace keelson::io {
namespace {

using IdleHandle = Handle<uv_idle_t, std::function<void()>>;

void next_round(uv_idle_t* idle) {
  uv_idle_stop(idle);
  if (auto* callback = IdleHandle::payload_of(idle)) (*callback)();
}

}  // namespace

Idle::Idle(EventLoop& loop, std::function<void()> on_round) {
  const int status = handle_.open(
      std::move(on_round), [&loop](uv_idle_t* idle) { return uv_idle_init(loop.raw(), idle); });
  KS_ASSERT(status == 0);
}

void Idle::start() noexcept {
  uv_idle_start(handle_.get(), next_round);
}

}  // namespace keelson::io
