// Connector: makes the stream to a Target: over HBONE, or by a prepared socket of a pod: one of the
// receiver's with role `deliver`, which tells it the client's address, or one of the source's with
// role `egress`. dial() is how every prepared socket of this proxy is used. One thread: its
// worker's. Keeps nothing, judges nothing.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "base/limits.h"
#include "io/byte_stream.h"
#include "proxy/connection.h"
#include "proxy/upstream/target.h"

namespace keelson::proxy {

class Connector {
 public:
  using Attempt = hbone::Dialer::Attempt;  // destroying it cancels: no call afterwards
  struct Carried {
    std::unique_ptr<io::ByteStream> bytes;
    // True: what carries the stream is about to end, begin nothing new on it. May be empty; not
    // after `bytes` is gone.
    std::function<bool()> is_retiring = {};
  };
  // Once, not before connect() has returned; only queues work.
  using OnStream = std::function<void(Result<Carried>)>;

  virtual ~Connector() = default;
  virtual Result<std::unique_ptr<Attempt>> connect(const Target& target, OnStream on_stream) = 0;
};

// Kernel and proxy learn of a pod one after the other: for a moment one refuses (EPERM) what the
// other already believes. Tried again a little later, with the newest configuration, it may be
// made.
bool is_unsettled(const Error& why) noexcept;

class MeshConnector final : public Connector {
 public:
  explicit MeshConnector(const Services& services) : services_(services) {}
  Result<std::unique_ptr<Attempt>> connect(const Target& target, OnStream on_stream) override;

 private:
  const Services& services_;
};

struct Dial {
  SocketKind socket;
  Endpoint to;
  std::optional<Endpoint> client = {};  // what the application is told (deliver)
  // For connect(), behind the wait for a socket; 0: the caller's business. Longer:
  // `connect_timeout`.
  std::chrono::milliseconds patience{kConnectTime};
};

// Waits for a socket where the stock is dry, then connects it. `on_stream`: once, not before this
// has returned; only queues work.
Result<std::unique_ptr<hbone::Dialer::Attempt>> dial(const Services& services, const Dial& what,
                                                     hbone::Dialer::OnStream on_stream);

// A tunnel to `target`, which is reached over HBONE.
Result<std::unique_ptr<hbone::Pool::Pending>> open_tunnel(const Services& services,
                                                          const Target& target,
                                                          hbone::OnTunnel on_tunnel);

}  // namespace keelson::proxy
