// WireEnd: one end of a connection in flat memory, so that the streams themselves cost next to
// nothing; announce() is what an event loop would do. Takes everything that is written. One thread.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "io/byte_stream.h"

namespace keelson::instructions {

class Pipe {
 public:
  std::string_view bytes() const noexcept { return std::string_view(bytes_).substr(begin_); }
  bool empty() const noexcept { return begin_ == bytes_.size(); }
  void append(std::string_view text) { bytes_.append(text); }
  void consume(size_t count) noexcept {
    begin_ += count;
    if (empty()) clear();
  }
  void clear() noexcept {
    bytes_.clear();  // keeps its memory
    begin_ = 0;
  }

 private:
  std::string bytes_;
  size_t begin_ = 0;
};

class WireEnd final : public io::ByteStream {
 public:
  // Both outlive it.
  WireEnd(Pipe& in, Pipe& out) noexcept : in_(in), out_(out) {}

  Result<io::ReadResult> read(std::span<std::byte> into) override {
    if (in_.empty()) {
      wants_read_ = true;
      return io::ReadResult::would_block();
    }
    const size_t count = std::min(into.size(), in_.bytes().size());
    std::memcpy(into.data(), in_.bytes().data(), count);
    in_.consume(count);
    return io::ReadResult::data(count);
  }
  Result<size_t> write(BufferChain& from) override {
    const size_t count = from.size();
    while (!from.empty()) {
      const auto part = from.front();
      out_.append({reinterpret_cast<const char*>(part.data()), part.size()});
      from.consume(part.size());
    }
    return count;
  }
  Result<void> shutdown_write() override { return {}; }
  void reset(Reason) noexcept override {}

  // True: the observer was told that there is something to read.
  bool announce() {
    if (!wants_read_ || in_.empty() || observer() == nullptr) return false;
    wants_read_ = false;
    observer()->on_readable();
    return true;
  }

 private:
  Pipe& in_;
  Pipe& out_;
  bool wants_read_ = false;
};

}  // namespace keelson::instructions
