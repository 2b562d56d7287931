// Connection: what both roles of HBONE share: one TLS stream, one HTTP/2 session on it, its
// tunnels, keep-alive, credit and the orderly end. Runnable: readiness only wakes it; everything
// happens in its turn, the derived role's calls to its owner included. One thread. Does not know
// pools, policy or destinations.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>

#include "http/h2/session.h"
#include "proxy/hbone/alarm.h"
#include "proxy/hbone/byte_budget.h"
#include "proxy/hbone/runnable.h"
#include "proxy/hbone/tunnel.h"
#include "tls/tls_stream.h"

namespace keelson::hbone {

// What every connection of a worker uses; all of it outlives them.
struct Environment {
  Scheduler& scheduler;
  BlockPool& blocks;
  tls::Signer& signer;
  Alarms& alarms;
};

// Whom a connection's work and memory are charged to.
struct Account {
  Tenant tenant{};
  std::shared_ptr<ByteBudget> budget;  // not null
};

class Connection : public Runnable, private h2::Sink, private io::StreamObserver {
 public:
  ~Connection() override;

  // Null until the handshake is done.
  const tls::PeerIdentity* peer() const noexcept { return tls_->peer(); }
  bool is_established() const noexcept { return state_ != State::kHandshake; }
  // CONNECTs and tunnels that are not over on the wire.
  size_t streams() const noexcept { return session_.open_streams(); }
  // Received bytes that its tunnels hold for their readers.
  size_t bytes_held() const noexcept { return bytes_held_; }
  bool begins_handshake() const noexcept override { return !is_begun_; }
  // Resets everything in the next turn: tunnels fail with `why` and lose what they held.
  void abort(Reason why) noexcept;

 protected:
  // kHandshake  TLS is not done
  // kOpen       the session runs
  // kClosing    no stream is left; GOAWAY and close_notify go out, then the peer's end is awaited
  // kDone       on_over() was called
  enum class State : uint8_t { kHandshake, kOpen, kClosing, kDone };

  Connection(const Environment& environment, Account account, std::unique_ptr<tls::TlsStream> tls,
             h2::Role role, const h2::Settings& settings);

  // ---- the derived role; the first three from inside the session: they only note what happened
  virtual void on_request_or_answer(h2::StreamId stream, http::MessageHead head,
                                    http::EndOfMessage end) = 0;
  // A stream without a tunnel is over.
  virtual void on_stream_lost(h2::StreamId stream, const Error& why) = 0;
  virtual void on_peer_goaway() = 0;
  // ---- and these from the connection's own turn: they may call the owner
  virtual void on_established() = 0;
  virtual void deliver() = 0;
  // Every unanswered stream is lost.
  virtual void lose_streams(const Error& why) = 0;
  // The last call; null: an orderly end. May destroy the connection.
  virtual void on_over(const Error* why) = 0;
  // Closes as soon as no stream is left.
  virtual bool is_retiring() const noexcept = 0;
  // From an alarm, once, when either certificate ends: no new tunnels; open ones go on.
  virtual void on_expired() noexcept = 0;

  std::unique_ptr<Tunnel> make_tunnel(h2::StreamId stream, http::EndOfMessage end);
  // A server's GOAWAY that refuses nothing, and the final one a round trip later.
  void start_drain();
  bool is_expired() const noexcept { return is_expired_; }
  bool is_drained() const noexcept { return drain_ping_ != 0 && pings_answered_ >= drain_ping_; }
  // Resets a stream that was not answered as one that nobody looked at (RFC 9113 section 8.7).
  void reset_unprocessed(h2::StreamId stream, std::unique_ptr<Tunnel> tunnel) noexcept;
  // Ends a stream by its status alone.
  void answer_refused(h2::StreamId stream, uint16_t status);
  h2::Session& session() noexcept { return session_; }
  const h2::Session& session() const noexcept { return session_; }
  State state() const noexcept { return state_; }
  const Environment& environment() const noexcept { return environment_; }

 private:
  friend class ConnectRequest;
  friend class Tunnel;

  // For tunnels and requests.
  Result<void> accept(Tunnel& tunnel, http::HeaderList headers);
  void refuse(Tunnel& tunnel, uint16_t status);
  void on_tunnel_read(h2::StreamId stream, size_t bytes) noexcept;
  Result<size_t> write(h2::StreamId stream, BufferChain& from);
  Result<void> write_end(h2::StreamId stream);
  void release(Tunnel& tunnel, std::optional<h2::ErrorCode> reset_with) noexcept;

  size_t run(size_t budget_bytes) override;
  Result<void> work(size_t budget_bytes, size_t& moved);
  Result<void> advance_handshake();
  void start_expiry_alarm();
  Result<void> receive(size_t budget_bytes, size_t& moved);
  Result<void> take_input(std::span<const std::byte> bytes);
  Result<void> take_peer_end();
  Result<void> take_alarm();
  Result<void> send(size_t budget_bytes, size_t& moved);
  Result<void> drain_session();
  void open_connection_window() noexcept;
  void begin_close();
  Result<void> finish_close();
  void break_session(Error why);
  void lose(Error why, Tunnel::HeldBytes held);
  void lose_everything(const Error& why, Tunnel::HeldBytes held);
  void finish(const Error* why);
  Failure peer_fails(Reason why) const;
  void ask_peer();
  Tunnel* find(h2::StreamId stream) noexcept;

  // h2::Sink
  void on_head(h2::StreamId stream, http::MessageHead head, http::EndOfMessage end) override;
  void on_body(h2::StreamId stream, std::span<const std::byte> bytes) override;
  void on_end(h2::StreamId stream, http::HeaderList trailers) override;
  void on_reset(h2::StreamId stream, h2::ErrorCode code) override;
  void on_closed(h2::StreamId stream) override;
  void on_writable(h2::StreamId stream) override;
  void on_goaway(h2::StreamId last, h2::ErrorCode code) override;
  void on_ping_answered() override;
  // io::StreamObserver, of the TLS stream
  void on_readable() noexcept override {
    can_read_ = true;
    wake();
  }
  void on_writable() noexcept override { wake(); }

  const Environment environment_;
  const std::shared_ptr<ByteBudget> budget_;
  const ErrorSource peer_source_;
  std::unique_ptr<tls::TlsStream> tls_;
  h2::Session session_;
  std::unordered_map<h2::StreamId, Tunnel*> tunnels_;
  BufferChain framed_;                   // what the session gave and TLS did not take yet
  std::unique_ptr<Alarm> alarm_;         // what it limits depends on state_
  std::unique_ptr<Alarm> expiry_alarm_;  // set when TLS is done
  std::unique_ptr<Alarm> memory_alarm_;  // tries again after the block pool was empty
  std::optional<Error> failure_due_;     // from abort()
  std::optional<Error> session_error_;   // kClosing: why, unless orderly
  State state_ = State::kHandshake;
  size_t bytes_held_ = 0;
  size_t bytes_uncredited_ = 0;  // of the connection's window
  uint64_t pings_sent_ = 0;
  uint64_t pings_answered_ = 0;
  uint64_t drain_ping_ = 0;  // number of the PING that follows the first GOAWAY; 0: none
  bool can_read_ = true;     // the TLS stream has not said otherwise
  bool is_begun_ = false;    // the handshake
  bool is_alarm_due_ = false;
  bool is_expired_ = false;  // own certificate or the peer's
  bool is_asking_ = false;   // a PING waits for any sign of life
  bool is_heard_ = false;    // bytes came since the alarm was started
  bool is_shut_ = false;
  bool is_peer_ended_ = false;
};

}  // namespace keelson::hbone
