// Connect: one connection attempt on a loop. Calls back exactly once with a connected Socket or the
// error, never before start() has returned; destroying it first cancels the attempt. One thread.
// It has no timeout (use a Timer) and does not choose addresses.
#pragma once

#include <functional>
#include <string>

#include "io/poll.h"
#include "io/socket.h"
#include "io/timer.h"

namespace keelson::io {

class Connect {
 public:
  using OnDone = std::function<void(Result<Socket>)>;

  // `socket`: a fresh stream socket, e.g. one that hold made inside a pod. Error: see Reasons
  // connect_refused, connect_failed.
  static std::unique_ptr<Connect> start(EventLoop& loop, Fd socket, const Endpoint& to,
                                        OnDone on_done);
  // Makes the socket itself, in this process's network namespace.
  static std::unique_ptr<Connect> start(EventLoop& loop, const Endpoint& to, OnDone on_done);
  static std::unique_ptr<Connect> start_unix(EventLoop& loop, const std::string& path,
                                             OnDone on_done);

 private:
  Connect(EventLoop& loop, OnDone on_done);
  void begin(EventLoop& loop, Fd fd, const sockaddr_storage& to, socklen_t length,
             const std::string& name);
  void on_ready();
  void finish_later(Error error);
  void finish(Result<Socket> result);

  OnDone on_done_;
  Timer deferred_;
  Socket socket_;
  std::string name_;
  Error error_;
  std::unique_ptr<Poll> poll_;
};

// Blocking connect for command-line tools and start-up code that has no loop yet.
Result<Fd> connect_unix_blocking(const std::string& path);

}  // namespace keelson::io
