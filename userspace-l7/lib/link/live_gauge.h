// live_gauge: how many streams each worker of a proxy carries now, in a memfd that the proxy writes
// and the agent maps read-only, so that a crash leaves the last values behind: what a dead proxy
// held is counted. A POSIX lock on the memfd lasts as long as the proxy's process, whatever pid
// namespaces lie between. LiveGauge is the proxy's end, LiveGaugeView the agent's. One thread each;
// a cell is written by its worker. Neither end trusts more than the size, which is sealed.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/fd.h"
#include "base/result.h"

namespace keelson::link {

inline constexpr size_t kGaugeCellsMax = 1024;

// A mapping of some cells, each on a cache line of its own.
class GaugeCells {
 public:
  GaugeCells() noexcept : at_(nullptr, Unmap{0}) {}
  GaugeCells(void* at, size_t count) noexcept : at_(at, Unmap{count}) {}
  static constexpr size_t kStride = 64;
  std::atomic<uint64_t>& operator[](size_t index) const noexcept;
  size_t count() const noexcept { return at_.get_deleter().count; }

 private:
  struct Unmap {
    size_t count;
    void operator()(void* at) const noexcept;
  };
  std::unique_ptr<void, Unmap> at_;
};

class LiveGauge {
 public:
  static Result<LiveGauge> make(size_t cells);
  std::atomic<uint64_t>& cell(size_t index) const noexcept { return cells_[index]; }
  // Stays open until the process ends: closing any descriptor of it gives up the lock.
  int fd() const noexcept { return memfd_.get(); }

 private:
  LiveGauge(Fd memfd, GaugeCells cells) : memfd_(std::move(memfd)), cells_(std::move(cells)) {}
  Fd memfd_;
  GaugeCells cells_;
};

class LiveGaugeView {
 public:
  // Error: message_malformed, when it is not as LiveGauge makes it.
  static Result<LiveGaugeView> open(Fd memfd, size_t cells);
  uint64_t sum() const noexcept;  // of a sane size, whatever was written
  bool is_owner_alive() const noexcept;
  ino_t inode() const noexcept { return inode_; }

 private:
  LiveGaugeView(Fd memfd, GaugeCells cells, ino_t inode)
      : memfd_(std::move(memfd)), cells_(std::move(cells)), inode_(inode) {}
  Fd memfd_;
  GaugeCells cells_;
  ino_t inode_;
};

}  // namespace keelson::link
