// Relay: carries bytes between two ByteStreams until both directions have ended. Bounded: what one
// side does not take, the other is not read for. Half-close is kept. An error of one side resets
// the other: nobody sees a clean end of a message that was cut. An idle relay holds no buffer.
// One thread: its worker's; observers only call `wake`, pump() is the scheduler's.
// Has no timeouts: opaque TCP may be idle as long as it likes.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "io/byte_stream.h"
#include "proxy/tenant.h"

namespace keelson::proxy {

class Relay {
 public:
  enum class State : uint8_t {
    kWaiting,  // for an observer's call
    kMore,     // the budget was spent
    kStarved,  // no buffer: pump again after kStarvedRetry
    kEnded,    // both directions, in order
    kFailed,   // error() says why; both sides are reset
  };
  struct Progress {
    State state = State::kWaiting;
    size_t bytes = 0;
  };

  // `near`: the side that opened the connection; `far`: where it goes.
  Relay(std::unique_ptr<io::ByteStream> near, std::unique_ptr<io::ByteStream> far, BlockPool& pool,
        Tenant& tenant, const Clock& clock, std::function<void()> wake);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Not after kEnded or kFailed.
  Progress pump(size_t bytes_max);
  // The sides have taken turns, twice at least, the far one last; nothing is held and neither has
  // ended: this is a protocol of questions and answers, in which nobody waits for anything now.
  bool is_answered() const noexcept;
  // Both sides are asked anew at the next pump(), whatever they have announced.
  void look_again() noexcept;
  // Ends in order what is_answered(): `near` reads an end; what it still sends is carried on. It
  // has ended when `far` has too; should that say more instead, both are reset.
  Result<void> end_answered();
  // Both sides see a reset. Idempotent; then only the observers below.
  void reset(Reason why) noexcept;

  const Error& error() const noexcept { return *error_; }
  bool has_failed() const noexcept { return error_.has_value(); }
  bool failed_far() const noexcept { return failed_far_; }
  uint64_t bytes_sent() const noexcept { return forward_.bytes; }       // near to far
  uint64_t bytes_received() const noexcept { return backward_.bytes; }  // far to near
  MonotonicTime last_activity() const noexcept { return last_activity_; }

 private:
  struct Side final : io::StreamObserver {
    Side(Relay& owner, std::unique_ptr<io::ByteStream> opened)
        : relay(owner), stream(std::move(opened)) {
      stream->observe(this);
    }
    ~Side() {
      if (stream) stream->observe(nullptr);
    }
    void on_readable() noexcept override {
      can_read = true;
      relay.wake_();
    }
    void on_writable() noexcept override {
      can_write = true;
      relay.wake_();
    }
    Relay& relay;
    std::unique_ptr<io::ByteStream> stream;
    bool can_read = true;
    bool can_write = true;
  };
  struct Direction {
    Direction(Side& source, Side& sink, BlockPool& pool) : from(source), to(sink), buffer(pool) {}
    Side& from;
    Side& to;
    BufferChain buffer;
    uint64_t bytes = 0;  // taken by `to`
    bool is_read_ended = false;
    bool is_told_over = false;  // `to` has read an end, nothing may follow
    bool is_ended = false;
  };

  // False: failed.
  bool pump_one(Direction& direction, size_t bytes_max);
  bool read_some(Direction& direction, bool& is_moving);
  bool write_some(Direction& direction, bool& is_moving);
  bool fail(Side& side, Error error) noexcept;
  void account() noexcept;

  const std::function<void()> wake_;
  Tenant& tenant_;
  const Clock& clock_;
  Side near_;
  Side far_;
  Direction forward_;
  Direction backward_;
  size_t accounted_bytes_ = 0;
  std::optional<Error> error_;
  bool failed_far_ = false;
  bool is_far_last_ = false;  // bytes of `far` moved last
  unsigned answers_ = 0;      // how often they did after bytes of `near`
  bool is_starved_ = false;   // of the pump that runs
  bool has_more_ = false;     // likewise
  MonotonicTime last_activity_;
};

}  // namespace keelson::proxy
