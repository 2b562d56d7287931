// ByteStream: a two-way stream of bytes: a socket, TLS over a ByteStream, an HBONE stream.
// One thread: its loop's. Never blocks. Not reading is the back-pressure.
// Readiness is armed by refusal: after read() said kWouldBlock, on_readable() comes once; after
// write() left bytes behind, on_writable() comes once; nothing else is ever announced, so a new
// stream is first read, then waited for. Observers only queue work: they call no method of the
// stream (but a layer may write() its own backlog from on_writable()) and do not destroy it. After
// an error the stream is dead; reset() or destroy it.
#pragma once

#include <cstddef>
#include <span>

#include "base/buffer_chain.h"
#include "base/result.h"

namespace keelson::io {

struct ReadResult {
  enum class Kind : uint8_t { kData, kWouldBlock, kEof };
  Kind kind = Kind::kWouldBlock;
  size_t bytes = 0;  // > 0 exactly for kData

  static ReadResult data(size_t n) noexcept { return {Kind::kData, n}; }
  static ReadResult would_block() noexcept { return {Kind::kWouldBlock, 0}; }
  static ReadResult eof() noexcept { return {Kind::kEof, 0}; }
  bool is_data() const noexcept { return kind == Kind::kData; }
  bool is_would_block() const noexcept { return kind == Kind::kWouldBlock; }
  bool is_eof() const noexcept { return kind == Kind::kEof; }
};

class StreamObserver {
 public:
  virtual void on_readable() noexcept = 0;  // bytes, an end or an error: read() will tell
  virtual void on_writable() noexcept = 0;

 protected:
  ~StreamObserver() = default;
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;  // without an orderly close on both sides: as reset()
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // Fills `into` (not empty) as far as bytes are there; reading gives credit back to the peer.
  virtual Result<ReadResult> read(std::span<std::byte> into) = 0;
  // Takes what fits off the front of `from` and returns how much; the rest stays the caller's.
  virtual Result<size_t> write(BufferChain& from) = 0;
  // A read may answer "not yet" from what it has been told; the next one asks the kernel.
  virtual void look_again() noexcept {}
  // Half-close: the peer reads an end after everything written so far. Reading goes on.
  virtual Result<void> shutdown_write() = 0;
  // The peer sees a reset, never a clean end. Nothing may be called afterwards.
  virtual void reset(Reason why) noexcept = 0;
  // For a layer whose own protocol proved the end in both directions (TLS close_notify), after
  // shutdown_write(): destroy the stream next, and what was written is still delivered, then the
  // end.
  virtual void close_orderly() noexcept {}

  // Whom to tell; nullptr: nobody. The observer outlives the stream or is replaced before.
  void observe(StreamObserver* observer) noexcept { observer_ = observer; }

 protected:
  ByteStream() = default;
  StreamObserver* observer() const noexcept { return observer_; }

 private:
  StreamObserver* observer_ = nullptr;
};

// Reads once into the end of `into` (at most one block). Error: Reason::buffer_pool_empty.
Result<ReadResult> read_into(ByteStream& stream, BufferChain& into, size_t bytes_max = kBlockBytes);

}  // namespace keelson::io
