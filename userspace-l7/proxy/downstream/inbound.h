// Inbound: what arrives at a local pod over HBONE. InboundServer is one accepted connection: TLS
// with the pod's identity; each CONNECT becomes an InboundTunnel: authority and policy are judged,
// the application is dialled inside its pod, then bytes are relayed. A tunnel may outlive its
// server. One thread: their worker's. HTTP is not looked at.
#pragma once

#include "io/socket.h"
#include "proxy/connection.h"
#include "proxy/hbone/server_connection.h"

namespace keelson::proxy {

// Who sends and to whom, as far as it is known when the CONNECT arrives.
struct InboundPeers {
  std::shared_ptr<const config::LocalPod> pod;
  Endpoint client;  // of the HBONE connection
};

class InboundTunnel final : public Connection {
 public:
  InboundTunnel(const Services& services, const InboundPeers& peers,
                std::unique_ptr<hbone::ConnectRequest> request);
  ~InboundTunnel() override;
  void rejudge(const ServingConfig& config) override;

 private:
  size_t advance(size_t) override { return step(), 0; }
  void step();
  void refuse(const Error& why) noexcept override;

  Result<void> judge();
  Result<void> dial();
  config::Decision decide(const ServingConfig& config, const config::LocalPod& pod) const;

  const InboundPeers peers_;
  const uint64_t proven_identity_;
  std::unique_ptr<hbone::ConnectRequest> request_;
  std::unique_ptr<hbone::Dialer::Attempt> attempt_;
  std::optional<Result<std::unique_ptr<io::ByteStream>>> application_;
  uint16_t port_ = 0;  // of a valid authority
  bool is_judged_ = false;
};

class InboundServer final : private hbone::ServerConnection::Handler {
 public:
  class Owner {
   public:
    virtual void remove(InboundServer& server) noexcept = 0;  // destroys it
    virtual void add(std::unique_ptr<InboundTunnel> tunnel) = 0;

   protected:
    ~Owner() = default;
  };

  // Error: why the connection is refused; `socket` is then reset.
  static Result<std::unique_ptr<InboundServer>> start(const Services& services,
                                                      const hbone::Environment& environment,
                                                      Owner& owner,
                                                      std::shared_ptr<const config::LocalPod> pod,
                                                      io::Socket socket);
  ~InboundServer();

  void drain() noexcept { connection_->drain(); }
  void abort(Reason why) noexcept { connection_->abort(why); }

 private:
  InboundServer(const Services& services, Owner& owner, Tenant& tenant, InboundPeers peers);

  void on_established(hbone::ServerConnection& connection) override;
  void on_connect(hbone::ServerConnection& connection,
                  std::unique_ptr<hbone::ConnectRequest> request) override;
  void on_refused(hbone::ServerConnection& connection, Reason why) override;
  void on_finished(hbone::ServerConnection& connection, const Error* why) override;
  void log(Reason reason, const std::string& detail) const;

  const Services& services_;
  Owner& owner_;
  Tenant& tenant_;  // the pod's namespace: who connects is not proven yet
  const InboundPeers peers_;
  std::unique_ptr<hbone::ServerConnection> connection_;
};

// The client's address as its application side should see it: the port of `forwarded` counts only
// when its address is the TCP peer's own. Pure.
Endpoint client_address(const Endpoint& tcp_peer, const http::HeaderList& headers);

}  // namespace keelson::proxy
