// OutboundConnection: what an application of a local pod dialled and the kernel captured, as opaque
// TCP: attested, resolved to a workload, carried there, by an HBONE tunnel as a rule. Kernel and
// proxy learn of a change one after the other: what was captured for a pod that is not ready any
// more, or not yet, is tried again for a while with what is known then (is_unsettled), and goes the
// way that the kernel takes by then. One thread: its worker's. HTTP is not looked at.
#pragma once

#include "proxy/downstream/capture.h"
#include "proxy/upstream/connector.h"

namespace keelson::proxy {

class OutboundConnection final : public Connection {
 public:
  // `pod`: whose outbound listener accepted `socket`.
  OutboundConnection(const Services& services, std::shared_ptr<const config::LocalPod> pod,
                     Capture capture, io::Socket socket);

  void rejudge(const ServingConfig& now) override;

 private:
  size_t advance(size_t) override { return step(), 0; }
  void step();
  void refuse(const Error& why) noexcept override;

  Result<void> connect();
  void on_connect_failed(const Error& why);
  std::string policy_of(const ServingConfig& config, const config::Decision& decision) const;

  const std::shared_ptr<const config::LocalPod> pod_;
  const Capture capture_;
  std::unique_ptr<PodsInUse::Use> pod_use_;  // until it is relayed
  io::Socket socket_;
  MeshConnector connector_;
  std::optional<Target> target_;
  std::unique_ptr<Connector::Attempt> attempt_;
  std::optional<Result<Connector::Carried>> made_;
  std::unique_ptr<hbone::Alarm> settling_;  // runs between two tries
  unsigned unsettled_tries_ = 0;
};

}  // namespace keelson::proxy
