// HttpStream: one HTTP message pair seen from one side, whatever the protocol version: the server's
// side reads a request and writes its answer, the client's side writes a request and reads answers.
// One thread. Never blocks; not reading is the back-pressure. Readiness is announced by the owner's
// `wake`, once after a call said that it would have to wait. After an error only cancel() or
// destruction may follow.
#pragma once

#include <optional>

#include "base/buffer_chain.h"
#include "base/result.h"
#include "http/message.h"

namespace keelson::http {

struct BodyRead {
  enum class Kind : uint8_t { kData, kWouldBlock, kEnd };
  Kind kind = Kind::kWouldBlock;
  size_t bytes = 0;
};

class HttpStream {
 public:
  virtual ~HttpStream() = default;
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  // The next head that arrived (client's side: each 1xx, then the final one); nothing: wait.
  virtual Result<std::optional<MessageHead>> read_head() = 0;
  // Moves body bytes behind `into`. kEnd once, behind the last byte; then trailers() is valid.
  virtual Result<BodyRead> read_body(BufferChain& into, size_t bytes_max) = 0;
  virtual const HeaderList& trailers() const noexcept = 0;

  virtual Result<void> write_head(const MessageHead& head, EndOfMessage end) = 0;
  // Takes what fits off `body`; the rest stays the caller's.
  virtual Result<size_t> write_body(BufferChain& body) = 0;
  virtual Result<void> write_end(const HeaderList* trailers) = 0;

  // The peer sees that the message was cut, never a clean end.
  virtual void cancel(Reason why) noexcept = 0;

 protected:
  HttpStream() = default;
};

}  // namespace keelson::http
