// ResponseReader: finds where an HTTP/1.1 answer ends and what its status is, and keeps nothing
// else of it: a client that measures must cost little. Bytes in, no I/O, one thread; allocates only
// when a head arrives in pieces. It shares no code with the proxy's parser, so a fault of that one
// cannot hide here. Refuses what has no clear end; does not check fields that do not matter to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::load {

class ResponseReader {
 public:
  enum class Step : uint8_t {
    kMore,      // everything was taken; the answer goes on
    kComplete,  // see status(), keeps_alive(), rest()
    kBad        // not HTTP/1.1, or without a clear end: the connection is of no more use
  };

  Step feed(std::string_view bytes);
  // The end of the stream: completes an answer that lasts until it.
  Step finish();
  // Forgets a complete answer and waits for the next.
  void next() noexcept;

  uint16_t status() const noexcept { return status_; }
  bool keeps_alive() const noexcept { return keeps_alive_; }
  // Bytes behind the answer, inside what was fed last.
  std::string_view rest() const noexcept { return rest_; }
  bool has_begun() const noexcept { return state_ != State::kHead || !pending_.empty(); }

 private:
  enum class State : uint8_t {
    kHead,
    kLength,
    kChunkLine,
    kChunkData,
    kChunkEnd,  // the CRLF behind chunk data
    kTrailer,
    kUntilClose,
    kComplete,
    kBad
  };

  // Each takes bytes off `bytes`.
  State take_head(std::string_view& bytes);
  State take_counted(std::string_view& bytes, State then);
  State take_chunk_line(std::string_view& bytes);
  State take_chunk_end(std::string_view& bytes);
  State take_trailer(std::string_view& bytes);
  bool take_line(std::string_view& bytes, std::string_view& line, bool& is_bad);

  State on_head(std::string_view head);
  bool on_field(std::string_view line);
  State body_state() const noexcept;

  State state_ = State::kHead;
  uint16_t status_ = 0;
  bool keeps_alive_ = true;
  bool has_length_ = false;
  bool is_chunked_ = false;
  uint64_t left_ = 0;    // of the body, or of the chunk
  std::string pending_;  // the part of a head or line that has arrived
  std::string line_;     // keeps a line that came in pieces while it is read
  std::string_view rest_;
};

}  // namespace keelson::load
