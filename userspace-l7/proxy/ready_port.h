// ReadyPort: tells whoever asks by HTTP whether this proxy has what to serve by: 200 once every
// worker has a configuration, 503 before. For the readiness probe of a kubelet, so that a rollout
// leaves the old proxy alone until then; it stays 200 without an agent, as the proxy serves on.
// Whatever is asked for, the answer is the same, and nothing else is said: the port is open to all.
// One thread. Bounds: kReadyAsksMax at once (the oldest makes room), kReadyHeadBytesMax,
// kReadyAskTime.
#pragma once

#include <list>
#include <memory>

#include "io/listener.h"

namespace keelson::proxy {

class ReadyPort {
 public:
  // Error: Reason::address_in_use, io_error.
  static Result<std::unique_ptr<ReadyPort>> open(io::EventLoop& loop, const Endpoint& at);
  ~ReadyPort();

  // From now on the answer is 200.
  void set_ready() noexcept { is_ready_ = true; }
  Result<Endpoint> local() const;

 private:
  class Ask;

  explicit ReadyPort(io::EventLoop& loop);
  void take(io::Socket socket);
  void remove(const Ask& ask);

  io::EventLoop& loop_;
  bool is_ready_ = false;
  std::list<std::unique_ptr<Ask>> asks_;
  std::unique_ptr<io::Listener> listener_;
};

}  // namespace keelson::proxy
