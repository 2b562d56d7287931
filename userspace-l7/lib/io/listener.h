// Listener: accepts connections from a listening socket on a loop, kAcceptsPerWake at most per
// turn. One thread. When the process has no descriptor left it pauses for kAcceptPause and counts;
// connections then wait in the backlog. It does not decide who may connect.
// Also: makers of listening sockets, for TCP and AF_UNIX.
#pragma once

#include <functional>
#include <string>

#include "io/poll.h"
#include "io/socket.h"
#include "io/timer.h"

namespace keelson::io {

// SO_REUSEADDR; never SO_REUSEPORT (another process could take connections).
Result<Fd> listen_tcp(const Endpoint& at, int backlog = kListenBacklog);
// Takes the path over: whoever listened there keeps its connections and gets no new one, so that a
// newer process can replace a running one without a gap. Reason::address_in_use: another kind of
// file is there. `mode`: permissions of the file, set before anybody can connect.
Result<Fd> listen_unix(const std::string& path, mode_t mode, int backlog = kListenBacklog);

class Listener {
 public:
  struct Counts {
    uint64_t accepted = 0;
    uint64_t aborted = 0;    // gone or broken before we had them
    uint64_t exhausted = 0;  // pauses because no descriptor or memory was left
  };
  using OnAccept = std::function<void(Socket)>;

  // Starts accepting at once. `listening` may be shared with another process.
  static Result<std::unique_ptr<Listener>> open(EventLoop& loop, Fd listening, OnAccept on_accept);

  // What is in the backlog now, without waiting for the loop to tell.
  void accept_rest();
  void pause() noexcept;
  void resume() noexcept;
  int fd() const noexcept { return fd_.get(); }
  const Counts& counts() const noexcept { return counts_; }

 private:
  Listener(EventLoop& loop, Fd listening, OnAccept on_accept);
  void accept_some();
  bool accept_one();

  Fd fd_;
  OnAccept on_accept_;
  Timer resume_timer_;
  std::unique_ptr<Poll> poll_;
  Counts counts_;
  bool is_paused_ = false;
};

}  // namespace keelson::io
