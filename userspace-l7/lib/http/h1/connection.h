// ServerConnection and ClientConnection: the two ends of an HTTP/1.1 connection, one message pair
// at a time, without I/O: bytes come in by feed(), bytes go out by drain(). They own what may
// follow what: order of pipelined requests, keep-alive, 100-continue, CONNECT and Upgrade. One
// thread. They keep no input: what feed() did not take, the caller still holds and offers again,
// and not reading is the back-pressure. After an error the connection must be reset.
//
//   request        idle -> receiving -> received        answer   none -> sending -> sent
//   both done: idle again, or closing when either side said so, or the answer overtook the request.
//   CONNECT + 2xx, Upgrade + 101: tunnel; body bytes are opaque until each side ends.
#pragma once

#include "base/buffer_chain.h"
#include "http/h1/parser.h"
#include "http/h1/writer.h"

namespace keelson::http::h1 {

// The status that tells a client why its message was refused.
uint16_t status_for(Reason reason) noexcept;

class ServerConnection {
 public:
  explicit ServerConnection(BlockPool& pool, const Limits& limits = {})
      : parser_(Parser::Role::kRequests, limits), out_(pool) {}

  // Takes bytes of one request and returns how many. Takes none while an answer is due: offer the
  // rest again after it. Once is_closing(), takes and drops everything.
  Result<size_t> feed(std::span<const std::byte> input, Sink& sink);
  // The client's end of stream. Error: http_truncated inside a request.
  Result<void> finish(Sink& sink);

  // 100 to a client that waits for it; nothing when it does not.
  Result<void> write_continue();
  // Any other 1xx but 101.
  Result<void> write_informational(const MessageHead& head);
  // The final answer. Chooses the framing: none where the answer has no body, Content-Length when
  // head.content_length is set or kYes says that nothing follows, else chunked (to HTTP/1.0: until
  // close). kYes needs no write_end().
  Result<void> write_head(const MessageHead& head, EndOfMessage end);
  // A short answer to what feed() refused, then the end. Only while no answer has begun.
  Result<void> write_refusal(Reason why);
  // Moves body bytes off `body`, as many as wait in front of drain() without passing
  // kHttpOutBytesMax; returns how many.
  Result<size_t> write_body(BufferChain& body);
  Result<void> write_end(const HeaderList* trailers = nullptr);

  // Moves what is to be sent behind `into`; returns how many bytes.
  size_t drain(BufferChain& into, size_t bytes_max = BufferChain::kAll);
  size_t waiting_bytes() const noexcept { return out_.size(); }

  // The next answer whose head is written is the last: a client is always told. The connection
  // itself does nothing about being idle.
  void close_after_answer() noexcept;
  // No answer will be written any more. Precondition: is_idle().
  void close_idle() noexcept { is_closing_ = true; }

  bool is_idle() const noexcept {
    return answer_ == Answer::kNone && parser_.is_between_messages();
  }
  // Nothing more will be written: drain, end the stream, read to the client's end.
  bool is_closing() const noexcept { return is_closing_; }
  bool is_tunnel() const noexcept { return is_tunnel_; }
  bool waits_for_continue() const noexcept { return waits_for_continue_; }

 private:
  enum class Answer : uint8_t { kNone, kSending, kSent };

  BodyKind choose_body(MessageHead& head, EndOfMessage end) const noexcept;
  Persistence persistence() const noexcept;
  void settle() noexcept;

  Parser parser_;
  BodyWriter body_writer_;
  BufferChain out_;
  MessageHead answer_head_;
  Answer answer_ = Answer::kNone;
  bool has_request_ = false;  // its head was delivered
  bool may_persist_ = true;
  bool closes_next_ = false;  // after the answer under way, which did not say so
  bool waits_for_continue_ = false;
  bool is_closing_ = false;
  bool is_tunnel_ = false;
};

class ClientConnection {
 public:
  explicit ClientConnection(BlockPool& pool, const Limits& limits = {})
      : parser_(Parser::Role::kResponses, limits), out_(pool) {}

  // Starts a request; the connection must be reusable. Content-Length when head.content_length is
  // set, no body when kYes says so, else chunked.
  Result<void> write_head(const MessageHead& head, EndOfMessage end);
  Result<size_t> write_body(BufferChain& body);
  Result<void> write_end(const HeaderList* trailers = nullptr);

  // Takes bytes of the answer. Error: http_unexpected_response when no request is under way.
  Result<size_t> feed(std::span<const std::byte> input, Sink& sink);
  // The server's end of stream. Error: http_truncated when an answer is not complete.
  Result<void> finish(Sink& sink);

  size_t drain(BufferChain& into, size_t bytes_max = BufferChain::kAll);
  size_t waiting_bytes() const noexcept { return out_.size(); }

  // Request and answer are done and neither side wants to close: another request may follow.
  bool is_reusable() const noexcept { return state_ == State::kIdle; }
  // The answer is complete but the connection must end.
  bool is_closing() const noexcept { return state_ == State::kClosing; }
  bool is_tunnel() const noexcept { return is_tunnel_; }

 private:
  // kIdle -> kExchanging -> kIdle | kClosing
  enum class State : uint8_t { kIdle, kExchanging, kClosing };
  void begin_tunnel() noexcept;
  void settle() noexcept;

  Parser parser_;
  BodyWriter body_writer_;
  BufferChain out_;
  State state_ = State::kIdle;
  bool is_connect_ = false;
  bool request_sent_ = false;
  bool is_tunnel_ = false;
};

}  // namespace keelson::http::h1
