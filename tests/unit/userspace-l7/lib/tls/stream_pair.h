// Two in-memory ByteStreams that are each other's peer, moved in lockstep by the test: how many
// bytes one read yields, how many one direction holds, and who is told when, are the test's to
// choose. One thread.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <string>

#include "io/byte_stream.h"

namespace keelson::test {

struct Pipe {
  std::deque<std::byte> bytes;
  size_t capacity = 256 * 1024;
  size_t read_bytes_max = SIZE_MAX;  // one read yields at most this
  bool is_ended = false;
  bool is_reset = false;
  std::string seen;  // everything ever written: what an eavesdropper has
};

class MemoryStream final : public io::ByteStream {
 public:
  MemoryStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : in_(std::move(in)), out_(std::move(out)) {}
  ~MemoryStream() override {
    if (!is_orderly_ && !(in_->is_ended && in_->bytes.empty() && out_->is_ended))
      out_->is_reset = true;
    out_->is_ended = true;
  }

  Result<io::ReadResult> read(std::span<std::byte> into) override {
    if (is_drained_ && is_loop_late) return io::ReadResult::would_block();
    if (in_->bytes.empty()) {
      if (in_->is_reset) return fail(Reason::io_error, ErrorSource::kInternal, "peer reset");
      if (in_->is_ended) return io::ReadResult::eof();
      wants_read_ = is_drained_ = true;
      return io::ReadResult::would_block();
    }
    const size_t count = std::min({into.size(), in_->bytes.size(), in_->read_bytes_max});
    const auto end = in_->bytes.begin() + static_cast<ptrdiff_t>(count);
    std::copy(in_->bytes.begin(), end, into.begin());
    in_->bytes.erase(in_->bytes.begin(), end);
    return io::ReadResult::data(count);
  }

  Result<size_t> write(BufferChain& from) override {
    if (out_->is_reset) return fail(Reason::io_error, ErrorSource::kInternal, "reset");
    size_t taken = 0;
    while (!from.empty() && out_->bytes.size() < out_->capacity) {
      auto part = from.front();
      part = part.first(std::min(part.size(), out_->capacity - out_->bytes.size()));
      out_->bytes.insert(out_->bytes.end(), part.begin(), part.end());
      out_->seen.append(reinterpret_cast<const char*>(part.data()), part.size());
      from.consume(part.size());
      taken += part.size();
    }
    if (!from.empty()) wants_write_ = true;
    return taken;
  }

  Result<void> shutdown_write() override {
    out_->is_ended = true;
    return {};
  }
  void reset(Reason) noexcept override {
    out_->bytes.clear();
    out_->is_reset = true;
  }
  void close_orderly() noexcept override { is_orderly_ = true; }
  void look_again() noexcept override { is_drained_ = false; }

  // The loop has not come to tell yet: as a socket's stream it finds nothing until it looks again.
  bool is_loop_late = false;

  // What an event loop would do: tells the observer what it waits for and is now possible.
  bool announce() {
    if (observer() == nullptr || is_loop_late) return false;
    bool told = false;
    if (wants_read_ && (!in_->bytes.empty() || in_->is_ended || in_->is_reset)) {
      wants_read_ = is_drained_ = false;
      told = true;
      observer()->on_readable();
    }
    if (wants_write_ && out_->bytes.size() < out_->capacity) {
      wants_write_ = false;
      told = true;
      observer()->on_writable();
    }
    return told;
  }

 private:
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  bool wants_read_ = false;
  bool is_drained_ = false;
  bool wants_write_ = false;
  bool is_orderly_ = false;
};

}  // namespace keelson::test
