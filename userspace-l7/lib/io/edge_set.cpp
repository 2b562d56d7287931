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

EdgeSet::~EdgeSet() {
  KS_ASSERT(members_ == 0);
}

Result<void> EdgeSet::add(int fd, Member& member) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &member;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return fail_errno(Reason::io_error, errno, "watching a socket");
  members_++;
  return {};
}

void EdgeSet::remove(int fd, Member& member) noexcept {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  members_--;
  for (size_t i = next_; i < count_; i++)
    if (events_[i].data.ptr == &member) events_[i].data.ptr = nullptr;
}

// One batch: the loop comes back for more, after others.
void EdgeSet::dispatch() noexcept {
  const int count = ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), 0);
  count_ = count > 0 ? static_cast<size_t>(count) : 0;
  for (next_ = 0; next_ < count_;) {
    const epoll_event& event = events_[next_++];
    if (event.data.ptr != nullptr) static_cast<Member*>(event.data.ptr)->on_edge(event.events);
  }
}

}  // namespace keelson::io
