// Poll: readiness of a borrowed file descriptor on a loop. Level-triggered while watched: the
// callback must read, write or stop watching. An error on the descriptor counts as ready both ways,
// so that the next system call finds it. The descriptor stays the owner's, is watched by one Poll
// at most and may be closed as soon as the Poll is destroyed. Destroying it from its callback is
// fine.
#pragma once

#include <functional>

#include "base/result.h"
#include "io/event_loop.h"

namespace keelson::io {

struct Readiness {
  bool readable = false;
  bool writable = false;
  friend bool operator==(const Readiness&, const Readiness&) = default;
};

class Poll {
 public:
  // Sets `fd` non-blocking. Error: Reason::io_error (not pollable, or watched already).
  static Result<Poll> open(EventLoop& loop, int fd, std::function<void(Readiness)> on_ready);

  // What to wait for from now on; {} for nothing. Costs a system call only when it changes.
  void watch(Readiness interest) noexcept;
  Readiness watched() const noexcept { return interest_; }

 private:
  using Callback = std::function<void(Readiness)>;
  Poll() = default;

  Handle<uv_poll_t, Callback> handle_;
  Readiness interest_;
};

}  // namespace keelson::io
