#include "io/edge_set.h"

#include <cerrno>

#include "base/assert.h"
#include "io/poll.h"

namespace keelson::io {

EdgeSet::EdgeSet(EventLoop& loop) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  KS_ASSERT(epoll_);
  auto poll = Poll::open(loop, epoll_.get(), [this](Readiness) { dispatch(); });
  KS_ASSERT(poll);
  poll_ = std::make_unique<Poll>(std::move(*poll));
  poll_->watch({.readable = true});
}

EdgeSet::~EdgeSet() = default;

Result<void> EdgeSet::add(int fd, Member& member) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &member;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return fail_errno(Reason::io_error, errno, "watching a socket");
  return {};
}

void EdgeSet::remove(int fd, Member& member) noexcept {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (size_t i = events_in_ - events_left_; i < events_in_; i++)
    if (events_[i].data.ptr == &member) events_[i].data.ptr = nullptr;
}

// One batch: the loop comes back for more, after others.
void EdgeSet::dispatch() noexcept {
  const int count = ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), 0);
  events_in_ = count > 0 ? static_cast<size_t>(count) : 0;
  for (events_left_ = events_in_; events_left_ > 0;) {
    const epoll_event& event = events_[events_in_ - events_left_];
    events_left_--;
    if (event.data.ptr != nullptr) static_cast<Member*>(event.data.ptr)->on_edge(event.events);
  }
}

}  // namespace keelson::io
