// OutboundConnection: what an application of a local pod dialled and the kernel captured, as opaque
// TCP: attested, resolved to a workload, carried there by an HBONE tunnel. One thread: its
// worker's. HTTP is not looked at.
#pragma once

#include "proxy/downstream/capture.h"

namespace keelson::proxy {

class OutboundConnection final : public Connection {
 public:
  // `pod`: whose outbound listener accepted `socket`.
  OutboundConnection(const Services& services, std::shared_ptr<const config::LocalPod> pod,
                     Capture capture, io::Socket socket);

 private:
  size_t advance(size_t) override { return step(), 0; }
  void step();
  void refuse(const Error& why) noexcept override;

  Result<void> open_tunnel();

  const std::shared_ptr<const config::LocalPod> pod_;
  const Capture capture_;
  io::Socket socket_;
  std::unique_ptr<hbone::Pool::Pending> pending_;
  std::optional<Result<std::unique_ptr<hbone::Tunnel>>> tunnel_;
  bool is_opening_ = false;
};

}  // namespace keelson::proxy
