// HboneWorld: everything around HBONE connections as a test drives it: turns, time, wires,
// certificates; a recording owner for each role and a foreign peer that speaks bare TLS and HTTP/2.
// One thread.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cert_fixture.h"
#include "proxy/hbone/client_connection.h"
#include "proxy/hbone/server_connection.h"
#include "wires.h"

namespace keelson::test {

class TurnTaker final : public hbone::Scheduler {
 public:
  void schedule(hbone::Runnable& work) noexcept override { queue_.push_back(&work); }
  void forget(hbone::Runnable& work) noexcept override { std::erase(queue_, &work); }
  bool run_all();
  size_t budget_bytes = 64 * 1024;
  size_t queued() const { return queue_.size(); }

 private:
  std::deque<hbone::Runnable*> queue_;
};

// Time that stands still until advance().
class FakeAlarms final : public hbone::Alarms {
 public:
  std::unique_ptr<hbone::Alarm> make(std::function<void()> on_expired) override;
  // Moves to the next alarm that is due within `by`, or to the end; true: one rang.
  bool advance_to_next(std::chrono::milliseconds& by);
  size_t running() const;

 private:
  class FakeAlarm;
  std::chrono::milliseconds now_{0};
  std::vector<FakeAlarm*> alarms_;
};

// One end of a tunnel: writes and reads what the test says, by the ByteStream contract.
class TunnelEnd final : private io::StreamObserver {
 public:
  explicit TunnelEnd(BlockPool& blocks) : to_write(blocks) {}
  ~TunnelEnd() { tunnel.reset(); }
  void take(std::unique_ptr<hbone::Tunnel> made);
  void write(const std::string& text) { ASSERT_TRUE(to_write.append(text)); }
  bool work();

  std::unique_ptr<hbone::Tunnel> tunnel;
  BufferChain to_write;
  std::string received;
  std::optional<Error> read_error, write_error;
  bool is_eof = false;
  bool is_reading = true;
  bool is_ending = false;

 private:
  bool read_once();
  bool write_once();
  void on_readable() noexcept override { may_read_ = true; }
  void on_writable() noexcept override { may_write_ = true; }
  bool may_read_ = true;
  bool may_write_ = true;
  bool is_shut_ = false;
};

struct ClientOwner final : hbone::ClientConnection::Owner {
  std::unique_ptr<hbone::ClientConnection> connection;
  bool is_established = false;
  bool is_finished = false;
  size_t rooms = 0;
  std::optional<Error> why;

  void on_established(hbone::ClientConnection&) override { is_established = true; }
  void on_room(hbone::ClientConnection&) override { rooms++; }
  void on_finished(hbone::ClientConnection&, const Error* error) override;
};

struct ServerHandler final : hbone::ServerConnection::Handler {
  std::unique_ptr<hbone::ServerConnection> connection;
  bool is_established = false;
  bool is_finished = false;
  std::optional<Error> why;
  std::vector<Reason> refusals;
  std::vector<std::unique_ptr<hbone::ConnectRequest>> requests;
  // Set: called instead of keeping the request.
  std::function<void(std::unique_ptr<hbone::ConnectRequest>)> on_request;

  void on_established(hbone::ServerConnection&) override { is_established = true; }
  void on_connect(hbone::ServerConnection&,
                  std::unique_ptr<hbone::ConnectRequest> request) override;
  void on_refused(hbone::ServerConnection&, Reason reason) override { refusals.push_back(reason); }
  void on_finished(hbone::ServerConnection&, const Error* error) override;
};

// A foreign implementation, as well or badly behaved as the test makes it.
class ForeignPeer final : private h2::Sink {
 public:
  ForeignPeer(BlockPool& blocks, std::unique_ptr<tls::TlsStream> tls, h2::Role role,
              const h2::Settings& settings);
  bool work();  // takes what has come, sends what there is
  h2::Session& session() { return session_; }
  void send_raw(std::string_view bytes);  // past the session
  h2::StreamId connect(const std::string& authority);

  std::unique_ptr<tls::TlsStream> tls;
  struct Seen {
    http::MessageHead head;
    std::string body;
    bool has_head = false, is_ended = false, is_closed = false;
    std::optional<h2::ErrorCode> reset;
  };
  std::map<h2::StreamId, Seen> seen;
  std::vector<std::pair<h2::StreamId, h2::ErrorCode>> goaways;
  size_t pings_answered = 0;
  std::optional<Error> error;
  bool is_eof = false;
  bool is_crediting = true;

 private:
  void on_head(h2::StreamId stream, http::MessageHead head, http::EndOfMessage end) override;
  void on_body(h2::StreamId stream, std::span<const std::byte> bytes) override;
  void on_end(h2::StreamId stream, http::HeaderList) override { seen[stream].is_ended = true; }
  void on_reset(h2::StreamId stream, h2::ErrorCode code) override { seen[stream].reset = code; }
  void on_closed(h2::StreamId stream) override { seen[stream].is_closed = true; }
  void on_writable(h2::StreamId) override {}
  void on_goaway(h2::StreamId last, h2::ErrorCode code) override {
    goaways.emplace_back(last, code);
  }
  void on_ping_answered() override { pings_answered++; }

  h2::Session session_;
  BufferChain out_;
};

class HboneWorld {
 public:
  static constexpr std::chrono::hours kCertificateLifetime{24};

  HboneWorld();
  ~HboneWorld();

  // Until nothing moves any more: what is stuck then would be stuck for ever.
  void run();
  void advance(std::chrono::milliseconds by);

  // Our client and our server on one wire; `run()` brings them up.
  void connect();
  void start_client(std::unique_ptr<io::ByteStream> lower);
  void start_server(std::unique_ptr<io::ByteStream> lower);
  // A foreign server for our client, a foreign client for our server.
  void connect_to_foreign(const h2::Settings& settings = {});
  void accept_foreign(const h2::Settings& settings = {});

  // Asks for a tunnel; the answer lands in `answers`.
  h2::StreamId open(const std::string& authority = "10.0.0.2:8080");
  // Opens one through both ends; null on failure.
  struct TunnelPair {
    TunnelEnd* client = nullptr;
    TunnelEnd* server = nullptr;
  };
  TunnelPair open_pair();
  TunnelEnd& end_for(std::unique_ptr<hbone::Tunnel> tunnel);

  static std::shared_ptr<const tls::TlsContext> context(
      const std::string& account, std::chrono::seconds lifetime = kCertificateLifetime);
  hbone::Account account() { return {hbone::Tenant{7}, budget}; }

  BlockPool blocks;  // first: everything uses it
  TurnTaker turns;
  FakeAlarms alarms;
  Wires wires;
  tls::InlineSigner signer;
  hbone::Environment environment{turns, blocks, signer, alarms};
  std::shared_ptr<hbone::ByteBudget> budget = std::make_shared<hbone::ByteBudget>(8u << 20);
  std::shared_ptr<Wires::Pipe> to_client, to_server;
  std::vector<Result<std::unique_ptr<hbone::Tunnel>>> answers;
  std::deque<TunnelEnd> ends;
  std::chrono::seconds client_lifetime = kCertificateLifetime;  // of the next connection's
  std::chrono::seconds server_lifetime = kCertificateLifetime;
  ClientOwner client;
  ServerHandler server;
  std::unique_ptr<ForeignPeer> foreign;
};

}  // namespace keelson::test
