// Wires: in-memory connections and what an event loop would do for them: bytes arrive and room is
// announced only in deliver(), so that a test decides when. One thread.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <utility>

#include "io/byte_stream.h"

namespace keelson::test {

class Wires {
 public:
  class End;
  struct Pipe {
    std::deque<std::byte> bytes;
    size_t capacity = 256 * 1024;
    bool is_ended = false;
    bool is_reset = false;
    bool is_held = false;  // the network swallows announcements: a silent peer
  };
  struct Pair {
    std::unique_ptr<io::ByteStream> first, second;
    std::shared_ptr<Pipe> to_first, to_second;
  };

  Pair make();
  // True when somebody was told something.
  bool deliver();
  size_t ends() const { return ends_.size(); }

 private:
  std::set<End*> ends_;
};

class Wires::End final : public io::ByteStream {
 public:
  End(Wires& wires, std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : wires_(wires), in_(std::move(in)), out_(std::move(out)) {
    wires_.ends_.insert(this);
  }
  ~End() override;
  Result<io::ReadResult> read(std::span<std::byte> into) override;
  Result<size_t> write(BufferChain& from) override;
  Result<void> shutdown_write() override;
  void reset(Reason) noexcept override { out_->is_reset = true; }
  void close_orderly() noexcept override { is_orderly_ = true; }
  bool announce();

 private:
  Wires& wires_;
  std::shared_ptr<Pipe> in_, out_;
  bool wants_read_ = false;
  bool wants_write_ = false;
  bool is_orderly_ = false;
};

}  // namespace keelson::test
