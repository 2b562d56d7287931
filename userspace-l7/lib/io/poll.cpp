#include "io/poll.h"

namespace keelson::io {
namespace {

using PollHandle = Handle<uv_poll_t, std::function<void(Readiness)>>;

void became_ready(uv_poll_t* poll, int status, int events) {
  auto* callback = PollHandle::payload_of(poll);
  if (callback == nullptr) return;
  // EPOLLERR: whichever call comes next returns the socket's error.
  if (status < 0) return (*callback)({true, true});
  (*callback)({(events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0});
}

}  // namespace

Result<Poll> Poll::open(EventLoop& loop, int fd, std::function<void(Readiness)> on_ready) {
  Poll poll;
  const int status = poll.handle_.open(
      std::move(on_ready), [&](uv_poll_t* handle) { return uv_poll_init(loop.raw(), handle, fd); });
  if (status != 0) return fail_errno(Reason::io_error, -status, "watching a file descriptor");
  return poll;
}

void Poll::watch(Readiness interest) noexcept {
  if (interest == interest_) return;
  interest_ = interest;
  const int events = (interest.readable ? UV_READABLE : 0) | (interest.writable ? UV_WRITABLE : 0);
  if (events == 0)
    uv_poll_stop(handle_.get());
  else
    uv_poll_start(handle_.get(), events, became_ready);
}

}  // namespace keelson::io
