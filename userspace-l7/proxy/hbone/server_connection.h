// ServerConnection: the side of an HBONE connection that serves CONNECT: TLS server, strict
// authority, one ConnectRequest a stream for the handler to answer when it knows. One thread. The
// handler destroys the connection from on_finished(), never from another of its calls.
// Does not decide who may connect where. Requests that are not CONNECT get 400.
#pragma once

#include <vector>

#include "proxy/hbone/authority.h"
#include "proxy/hbone/connection.h"
#include "proxy/hbone/limits.h"

namespace keelson::hbone {

// One CONNECT that waits for its answer. Destroying it unanswered refuses with 503. May outlive
// its connection.
class ConnectRequest {
 public:
  ConnectRequest(Authority authority, http::HeaderList headers, tls::PeerIdentity peer,
                 std::unique_ptr<Tunnel> tunnel) noexcept;
  ~ConnectRequest();
  ConnectRequest(const ConnectRequest&) = delete;
  ConnectRequest& operator=(const ConnectRequest&) = delete;

  const Authority& authority() const noexcept { return authority_; }
  const http::HeaderList& headers() const noexcept { return headers_; }  // forwarded, baggage, ...
  const tls::PeerIdentity& peer() const noexcept { return peer_; }       // proven
  // The peer gave up, or the connection is lost: an answer reaches nobody.
  bool is_gone() const noexcept;

  // 200. Once, and not after refuse(). Error: why it is gone.
  Result<std::unique_ptr<Tunnel>> accept(http::HeaderList headers = {});
  // Wire: 400 not an address of this pod, 401 denied, 503 cannot be reached.
  void refuse(uint16_t status) noexcept;

 private:
  const Authority authority_;
  const http::HeaderList headers_;
  const tls::PeerIdentity peer_;
  std::unique_ptr<Tunnel> tunnel_;  // null: answered
};

class ServerConnection final : public Connection {
 public:
  class Handler {
   public:
    virtual void on_established(ServerConnection& connection) = 0;  // peer() is known
    virtual void on_connect(ServerConnection& connection,
                            std::unique_ptr<ConnectRequest> request) = 0;
    // A request was not handed over. Answered with 400: hbone_bad_authority, hbone_not_connect;
    // reset as unprocessed, so that the peer may try elsewhere: certificate_expired.
    virtual void on_refused(ServerConnection& connection, Reason why) = 0;
    // The last call; the connection is destroyed now or later. Null: orderly.
    virtual void on_finished(ServerConnection& connection, const Error* why) = 0;

   protected:
    ~Handler() = default;
  };
  struct Parts {
    const Environment& environment;
    Account account;
    std::shared_ptr<const tls::TlsContext> context;
    std::unique_ptr<io::ByteStream> lower;
  };
  static Result<std::unique_ptr<ServerConnection>> start(Parts parts, Handler& handler);

  // GOAWAY that refuses nothing yet, PING, final GOAWAY after its answer; open tunnels go on, and
  // after the last one the connection ends in an orderly way. For a deadline: abort().
  void drain() noexcept;

 private:
  struct Arrived {
    h2::StreamId stream;
    http::MessageHead head;
    std::unique_ptr<Tunnel> tunnel;
  };

  ServerConnection(const Environment& environment, Account account,
                   std::unique_ptr<tls::TlsStream> tls, Handler& handler);

  void on_request_or_answer(h2::StreamId stream, http::MessageHead head,
                            http::EndOfMessage end) override;
  void on_stream_lost(h2::StreamId, const Error&) override {}
  void on_peer_goaway() override {}
  void on_established() override;
  void deliver() override;
  void lose_streams(const Error&) override { arrived_.clear(); }
  void on_over(const Error* why) override;
  bool is_retiring() const noexcept override;
  void on_expired() noexcept override { drain(); }

  void hand_over(Arrived arrived);

  Handler& handler_;
  std::vector<Arrived> arrived_;
  bool is_drain_wanted_ = false;
};

}  // namespace keelson::hbone
