#include "proxy/exchange/body_pump.h"

namespace keelson::proxy {

using http::BodyRead;

BodyPump::State BodyPump::fail(State state, Error why) {
  error_ = std::move(why);
  buffer_.clear();
  return state;
}

BodyPump::State BodyPump::read_ahead(http::HttpStream& source) {
  while (!has_source_ended_ && buffer_.size() < kRelayBufferBytesMax) {
    const auto got = source.read_body(buffer_, kRelayBufferBytesMax - buffer_.size());
    if (!got) return fail(State::kSourceFailed, got.error());
    if (got->kind == BodyRead::Kind::kWouldBlock) return State::kWaiting;
    if (got->kind == BodyRead::Kind::kEnd) has_source_ended_ = true;
  }
  return has_source_ended_ ? State::kEnded : State::kMore;
}

BodyPump::State BodyPump::discard(http::HttpStream& source, size_t bytes_max) {
  for (size_t dropped = 0; dropped < bytes_max;) {
    const State read = read_ahead(source);
    dropped += buffer_.size();
    buffer_.clear();
    if (read != State::kMore) return read;
  }
  return State::kMore;
}

BodyPump::State BodyPump::pump(http::HttpStream& source, http::HttpStream& sink, size_t bytes_max) {
  const uint64_t before = bytes_;
  while (bytes_ - before < bytes_max) {
    const State read = read_ahead(source);
    if (read == State::kSourceFailed) return read;
    if (!buffer_.empty()) {
      const auto taken = sink.write_body(buffer_);
      if (!taken && taken.error().reason == Reason::buffer_pool_empty) {
        is_starved_ = true;
        return State::kWaiting;
      }
      if (!taken) return fail(State::kSinkFailed, taken.error());
      bytes_ += *taken;
      if (!buffer_.empty()) return State::kWaiting;  // for the sink
    }
    if (has_source_ended_) {
      const auto& trailers = source.trailers();
      auto ended = sink.write_end(trailers.empty() ? nullptr : &trailers);
      if (!ended && ended.error().reason == Reason::buffer_pool_empty) {
        is_starved_ = true;
        return State::kWaiting;
      }
      if (!ended) return fail(State::kSinkFailed, ended.error());
      is_ended_ = true;
      return State::kEnded;
    }
    if (read == State::kWaiting) return State::kWaiting;
  }
  return State::kMore;
}

}  // namespace keelson::proxy
