// Connection: one place in the client from which requests go out, and the TCP or TLS connection
// that it has at the moment. Owns opening, ending and what is lost by it; the protocols
// (Http1Connection, Http2Connection) own bytes and answers. One thread. Decides nothing about when
// a request is sent or a connection reopened: that is the Observer's.
//
//   kClosed -> kOpening (connect, handshake) -> kOpen -> kClosed
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "request.h"
#include "transport.h"

namespace keelson::load {

class Connection;

// How far a connection had come when it ended.
enum class Ended : uint8_t { kOpening, kUnserved, kServed };  // kServed: it brought an answer

// Called from inside on_ready(); may call start() on that connection, nothing else.
class Observer {
 public:
  virtual void on_opened(uint64_t took_ns) = 0;
  virtual void on_bytes(size_t count) = 0;
  virtual void on_answer(uint64_t since_ns, uint16_t status) = 0;
  // `text`: what the system or the protocol says of it; may be empty.
  virtual void on_lost(uint64_t since_ns, ErrorKind why, std::string_view text) = 0;
  // A connection that carried no request ended although it should not have.
  virtual void on_error(ErrorKind why, std::string_view text) = 0;
  // The server ended a connection that had served, in order, before a byte of the next answer: it
  // is opened again at once for the same request (RFC 9112 section 9.3.1), this once.
  virtual void on_retried() = 0;
  // A request may start; what starts is sent when this returns.
  virtual void on_room(Connection& connection) = 0;
  // It is kClosed. May call open().
  virtual void on_closed(Connection& connection, Ended ended) = 0;
  // The kernel refused at once: call on_ready() soon, but not from here.
  virtual void on_refused(Connection& connection) = 0;

 protected:
  ~Observer() = default;
};

// What all connections of a run share; outlives them.
struct Surroundings {
  const SocketAddress& address;
  const TlsClient* tls;  // null: plain
  const Request& request;
  bool is_connection_each;
  size_t streams;
  int epoll;
  std::span<char> buffer;
  Observer& observer;
};

uint64_t now_ns() noexcept;  // CLOCK_MONOTONIC

class Connection {
 public:
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open();  // from kClosed
  void on_ready();
  // Starts a request whose latency counts from `since_ns`; has_room() must hold. With a connection
  // for each request, this opens it. flush() sends.
  void start(uint64_t since_ns);
  void flush();

  bool has_room() const;
  uint64_t started() const noexcept { return started_; }
  const std::string& error_text() const noexcept { return transport_.error_text(); }
  // The requests that have no answer yet.
  void each_outstanding(const std::function<void(uint64_t since_ns)>& visit) const;

  bool is_listed = false;  // the observer's: waits in its list of idle connections

 protected:
  explicit Connection(const Surroundings& surroundings)
      : surroundings_(surroundings), transport_(surroundings.tls) {}

  // The protocol's side of it; all but reset() only while kOpen.
  virtual void reset() = 0;  // before opening: no request, no bytes
  virtual void begin(uint64_t since_ns) = 0;
  virtual bool has_protocol_room() const = 0;
  // False: not the expected protocol.
  virtual bool take(std::string_view bytes) = 0;
  // The end of the stream; true: nothing is missing.
  virtual bool take_end() = 0;
  virtual std::string_view output() = 0;  // empty: nothing to send
  virtual void on_sent(size_t count) = 0;
  // The only request that waits, if the server has said nothing of its answer.
  virtual std::optional<uint64_t> unanswered() const { return std::nullopt; }
  virtual bool is_done() const = 0;  // it is for us to end it, in good order
  virtual void each_begun(const std::function<void(uint64_t)>& visit) const = 0;

  void tell_answer(uint64_t since_ns, uint16_t status);

  const Surroundings& surroundings_;

 private:
  enum class State : uint8_t { kClosed, kOpening, kOpen };

  bool finish_opening();
  void receive();
  bool retry();
  void end(std::optional<ErrorKind> why);
  void watch(uint32_t events);

  Transport transport_;
  State state_ = State::kClosed;
  bool is_refused_ = false;        // by the kernel, at once
  Ended ended_ = Ended::kOpening;  // what it would be now
  uint32_t watched_events_ = 0;
  uint64_t opened_ns_ = 0;
  uint64_t started_ = 0;
  std::optional<uint64_t> waiting_since_ns_;  // a request that waits for the connection to open
};

}  // namespace keelson::load
