// EdgeSet: readiness of a loop's data sockets, by an edge-triggered epoll instance of their own
// that the loop watches as one descriptor. A socket costs two epoll_ctl(2) in its life, not some
// for each wait: libuv's uv_poll is level-triggered and pays three to disarm and arm again. An edge
// says that something happened, perhaps what the last call has already seen; whoever is told asks
// the socket. One thread: the loop's. Keeps no state of the sockets.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <memory>

#include "base/fd.h"
#include "base/result.h"

namespace keelson::io {

class EventLoop;
class Poll;

class EdgeSet {
 public:
  class Member {
   public:
    // Bits of epoll_ctl(2): EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, EPOLLERR, EPOLLHUP. May remove
    // itself and others.
    virtual void on_edge(uint32_t events) noexcept = 0;

   protected:
    ~Member() = default;
  };

  explicit EdgeSet(EventLoop& loop);  // aborts when the process has no descriptor for it
  ~EdgeSet();                         // without members

  // What is ready already is the first edge. `member` removes itself before it dies, and before
  // `fd` is closed. Error: io_error (not pollable, or in the set already).
  Result<void> add(int fd, Member& member);
  void remove(int fd, Member& member) noexcept;

 private:
  void dispatch() noexcept;

  Fd epoll_;
  std::unique_ptr<Poll> poll_;
  std::array<epoll_event, 256> events_;
  size_t next_ = 0;  // of events_ that is to be told
  size_t count_ = 0;
  size_t members_ = 0;
};

}  // namespace keelson::io
