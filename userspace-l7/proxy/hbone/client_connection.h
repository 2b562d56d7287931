// ClientConnection: the side of an HBONE connection that opens tunnels: TLS client with one
// expected peer, CONNECT and its answer. One thread. Its owner (the pool) decides when it is used
// and destroys it from on_finished(), never from another of its calls.
// Does not dial: the lower stream is given.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "proxy/hbone/connection.h"
#include "proxy/hbone/limits.h"

namespace keelson::hbone {

struct TunnelRequest {
  std::string authority;     // "ip:port", "[v6]:port", "name:port"
  http::HeaderList headers;  // baggage, forwarded, traceparent
};

// Called once, from a scheduler's turn and never from within open(). Errors: hbone_wrong_address
// (400), hbone_denied_by_peer (401), connect_refused (503), hbone_unexpected_answer,
// hbone_answer_timeout, stream_reset, or why the connection was lost; all of them retryable()
// only when the peer certainly did nothing.
using OnTunnel = std::function<void(Result<std::unique_ptr<Tunnel>>)>;

class ClientConnection final : public Connection {
 public:
  class Owner {
   public:
    virtual void on_established(ClientConnection& connection) = 0;
    // A tunnel ended, or the peer takes no more: takes_tunnels() may have changed.
    virtual void on_room(ClientConnection& connection) = 0;
    // The last call; the connection is destroyed now or later. Null: orderly.
    virtual void on_finished(ClientConnection& connection, const Error* why) = 0;

   protected:
    ~Owner() = default;
  };
  struct Parts {
    const Environment& environment;
    Account account;
    std::shared_ptr<const tls::TlsContext> context;
    std::vector<tls::SpiffeId> expected;  // not empty
    std::unique_ptr<io::ByteStream> lower;
  };
  static Result<std::unique_ptr<ClientConnection>> start(Parts parts, Owner& owner);

  // Error: h2_streams_exhausted, retryable on another connection.
  Result<h2::StreamId> open(const TunnelRequest& request, OnTunnel on_tunnel);
  // The answer is no longer wanted; `on_tunnel` will not be called.
  void cancel(h2::StreamId stream) noexcept;
  bool takes_tunnels() const noexcept;
  // No new tunnels; closes in an orderly way after the last one.
  void retire() noexcept;

 private:
  struct Opening {
    OnTunnel on_tunnel;
    uint64_t period;  // of the answer alarm, in which it began
  };
  struct Answer {
    h2::StreamId stream;
    OnTunnel on_tunnel;
    Result<std::unique_ptr<Tunnel>> result;
  };

  ClientConnection(const Environment& environment, Account account,
                   std::unique_ptr<tls::TlsStream> tls, Owner& owner);

  void on_request_or_answer(h2::StreamId stream, http::MessageHead head,
                            http::EndOfMessage end) override;
  void on_stream_lost(h2::StreamId stream, const Error& why) override;
  void on_peer_goaway() override;
  void on_established() override;
  void deliver() override;
  void lose_streams(const Error& why) override;
  void on_over(const Error* why) override;
  bool is_retiring() const noexcept override { return is_retired_; }
  void on_expired() noexcept override { retire(); }

  void answer(h2::StreamId stream, Result<std::unique_ptr<Tunnel>> result);
  void start_answer_alarm();
  void check_answers(uint64_t before);

  Owner& owner_;
  std::map<h2::StreamId, Opening> openings_;  // oldest first
  std::vector<Answer> answers_;
  std::unique_ptr<Alarm> answer_alarm_;
  std::unique_ptr<Alarm> idle_alarm_;
  uint64_t period_ = 0;
  uint64_t overdue_before_ = 0;  // openings of earlier periods; 0: the alarm did not ring
  size_t streams_seen_ = 0;      // since the owner was last told about room
  bool is_retired_ = false;
  bool is_room_news_ = false;
};

}  // namespace keelson::hbone
