#include "proxy/relay.h"

#include "base/assert.h"
#include "base/limits.h"

namespace keelson::proxy {

Relay::Relay(std::unique_ptr<io::ByteStream> near, std::unique_ptr<io::ByteStream> far,
             BlockPool& pool, Tenant& tenant, const Clock& clock, std::function<void()> wake)
    : wake_(std::move(wake)),
      tenant_(tenant),
      clock_(clock),
      near_(*this, std::move(near)),
      far_(*this, std::move(far)),
      forward_(near_, far_, pool),
      backward_(far_, near_, pool),
      last_activity_(clock.now()) {}

Relay::~Relay() {
  forward_.buffer.clear();
  backward_.buffer.clear();
  account();
}

Relay::Progress Relay::pump(size_t bytes_max) {
  KS_ASSERT(near_.stream && far_.stream);
  const uint64_t forward_before = forward_.bytes;
  const uint64_t bytes_before = forward_.bytes + backward_.bytes;
  is_starved_ = has_more_ = false;
  // Each direction gets half, so that an upload cannot starve its own answer.
  const bool is_fine =
      pump_one(forward_, bytes_max / 2 + 1) && pump_one(backward_, bytes_max / 2 + 1);
  if (!is_fine) {
    // What the broken side said before it broke still goes to the other, as without a proxy.
    Direction& rest = failed_far_ ? backward_ : forward_;
    const Error why = *error_;
    pump_one(rest, kRelayBufferBytesMax);
    error_ = why;
    reset(why.reason);
  }
  Progress progress;
  progress.bytes = forward_.bytes + backward_.bytes - bytes_before;
  if (progress.bytes > 0) {
    last_activity_ = clock_.now();
    // An answer to what moved just now cannot be here yet.
    const bool is_far_last = forward_.bytes == forward_before;
    if (is_far_last && !is_far_last_ && forward_.bytes > 0) answers_++;
    is_far_last_ = is_far_last;
  }
  account();
  if (!is_fine)
    progress.state = State::kFailed;
  else if (forward_.is_ended && backward_.is_ended)
    progress.state = State::kEnded;
  else if (has_more_)
    progress.state = State::kMore;
  else if (is_starved_)
    progress.state = State::kStarved;
  return progress;
}

bool Relay::pump_one(Direction& direction, size_t bytes_max) {
  const uint64_t bytes_before = direction.bytes;
  for (bool is_moving = true; is_moving && !direction.is_ended;) {
    if (direction.bytes - bytes_before >= bytes_max) {
      has_more_ = true;
      return true;
    }
    is_moving = false;
    if (!read_some(direction, is_moving) || !write_some(direction, is_moving)) return false;
  }
  return true;
}

bool Relay::read_some(Direction& direction, bool& is_moving) {
  Side& side = direction.from;
  // Whole reads only: what is left of the bound may be a sliver.
  while (!direction.is_read_ended && side.can_read &&
         direction.buffer.size() + kBlockBytes <= kRelayBufferBytesMax) {
    // The tenant's share or the worker's pool is used up. What this relay holds already needs no
    // memory to be written, so it is starved only when it holds nothing.
    const bool may_buffer = !direction.buffer.empty() || tenant_.may_buffer();
    Result<io::ReadResult> got = io::ReadResult::would_block();
    if (may_buffer) got = io::read_into(*side.stream, direction.buffer);
    if (!may_buffer || (!got && got.error().reason == Reason::buffer_pool_empty)) {
      is_starved_ |= direction.buffer.empty();
      return true;
    }
    if (!got) return fail(side, std::move(got).error());
    if (got->is_eof()) direction.is_read_ended = true;
    if (got->is_would_block()) side.can_read = false;
    is_moving |= !got->is_would_block();
    // A full block says that there is more; less, that writing comes first.
    if (got->bytes < kBlockBytes) return true;
  }
  return true;
}

bool Relay::write_some(Direction& direction, bool& is_moving) {
  Side& side = direction.to;
  if (direction.is_told_over) {
    if (!direction.buffer.empty())
      return fail(side, {Reason::drain_deadline, ErrorSource::kInternal, false, 0,
                         "more came after an answer that had seemed to be the last"});
    direction.is_ended = direction.is_read_ended;
    return true;
  }
  if (!direction.buffer.empty() && side.can_write) {
    const auto taken = side.stream->write(direction.buffer);
    if (!taken) return fail(side, taken.error());
    direction.bytes += *taken;
    is_moving |= *taken > 0;
    if (!direction.buffer.empty()) side.can_write = false;
  }
  if (direction.is_read_ended && direction.buffer.empty()) {
    if (auto shut = side.stream->shutdown_write(); !shut)
      return fail(side, std::move(shut).error());
    direction.is_ended = true;
  }
  return true;
}

bool Relay::is_answered() const noexcept {
  return is_far_last_ && answers_ >= 2 && forward_.buffer.empty() && backward_.buffer.empty() &&
         !forward_.is_read_ended && !backward_.is_read_ended && !backward_.is_told_over;
}

void Relay::look_again() noexcept {
  for (Side* side : {&near_, &far_}) {
    side->stream->look_again();
    side->can_read = true;
  }
}

Result<void> Relay::end_answered() {
  KS_TRY(near_.stream->shutdown_write());
  backward_.is_told_over = true;
  return {};
}

bool Relay::fail(Side& side, Error error) noexcept {
  failed_far_ = &side == &far_;
  error_ = std::move(error);
  return false;
}

void Relay::reset(Reason why) noexcept {
  for (Side* side : {&near_, &far_}) {
    if (!side->stream) continue;
    side->stream->observe(nullptr);
    side->stream->reset(why);
    side->stream.reset();
  }
  forward_.buffer.clear();
  backward_.buffer.clear();
  account();
}

void Relay::account() noexcept {
  const size_t now = forward_.buffer.size() + backward_.buffer.size();
  tenant_.buffered_bytes += now;
  tenant_.buffered_bytes -= accounted_bytes_;
  accounted_bytes_ = now;
}

}  // namespace keelson::proxy
