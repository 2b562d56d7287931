// BodyPump: one direction of a message body, from one HttpStream to another, bounded: what the sink
// does not take, the source is not read for. One thread. Does not know heads.
#pragma once

#include <utility>

#include "base/limits.h"
#include "http/stream.h"

namespace keelson::proxy {

class BodyPump {
 public:
  enum class State : uint8_t { kWaiting, kMore, kEnded, kSourceFailed, kSinkFailed };

  explicit BodyPump(BlockPool& blocks) : buffer_(blocks) {}

  // Until nothing moves or about `bytes_max` bytes were; not after kEnded or a failure.
  State pump(http::HttpStream& source, http::HttpStream& sink, size_t bytes_max);
  // Takes what is there before the sink is known. kEnded: the source's message is complete.
  State read_ahead(http::HttpStream& source);
  // Reads and drops what nobody takes any more, so that a sender who reads last is not stuck.
  State discard(http::HttpStream& source, size_t bytes_max);
  // There was no buffer to write into: try again after kStarvedRetry.
  bool take_starved() noexcept { return std::exchange(is_starved_, false); }
  // A message of another kind follows: the bytes of a tunnel behind its 101.
  void begin_again() noexcept { has_source_ended_ = is_ended_ = false; }

  const Error& error() const noexcept { return error_; }
  bool is_ended() const noexcept { return is_ended_; }
  bool has_source_ended() const noexcept { return has_source_ended_; }
  bool has_sent() const noexcept { return bytes_ > 0; }
  uint64_t bytes() const noexcept { return bytes_; }  // taken by the sink
  size_t bytes_held() const noexcept { return buffer_.size(); }
  void mark_ended() noexcept { has_source_ended_ = is_ended_ = true; }

 private:
  State fail(State state, Error why);

  BufferChain buffer_;
  uint64_t bytes_ = 0;
  bool has_source_ended_ = false;
  bool is_ended_ = false;
  bool is_starved_ = false;
  Error error_;
};

}  // namespace keelson::proxy
