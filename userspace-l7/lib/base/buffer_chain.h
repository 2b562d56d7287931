// BufferChain: bytes on their way through the process, as views into blocks of a BlockPool. Moves
// between chains without copying (slivers up to kCopyBytesMax aside), holds no block when empty.
// One thread: its pool's. Does not limit its own size; who fills it watches size(). Bytes once in a
// block are never changed, so that chains may share them.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/block_pool.h"

namespace keelson {

class BufferChain {
 public:
  static constexpr size_t kAll = std::numeric_limits<size_t>::max();

  explicit BufferChain(BlockPool& pool) noexcept : pool_(&pool) {}
  BufferChain(BufferChain&& other) noexcept;
  BufferChain& operator=(BufferChain&& other) noexcept;
  BufferChain(const BufferChain&) = delete;
  BufferChain& operator=(const BufferChain&) = delete;
  ~BufferChain() { clear(); }

  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  size_t view_count() const noexcept { return views_.size() - first_; }
  BlockPool& pool() const noexcept { return *pool_; }

  // Copies all of `bytes` to the end, or nothing: false when the pool is empty.
  [[nodiscard]] bool append(std::span<const std::byte> bytes);
  [[nodiscard]] bool append(std::string_view text);

  // Free space behind the last byte, at least `bytes_min` (<= kBlockBytes) long; empty when the
  // pool is. Valid until the next call that changes the chain; commit() makes its first bytes part
  // of the chain, and commit(0) gives the reservation back.
  [[nodiscard]] std::span<std::byte> reserve(size_t bytes_min = 1);
  void commit(size_t bytes) noexcept;

  // Drops the first `bytes` (<= size()).
  void consume(size_t bytes) noexcept;
  void clear() noexcept;

  // Appends the first `bytes` of `from`, which loses them. Cannot fail: copies only into free
  // space.
  void move_from(BufferChain& from, size_t bytes = kAll);
  // Appends `bytes` of `from` starting at `offset`; both chains then refer to the same blocks.
  void share_from(const BufferChain& from, size_t offset = 0, size_t bytes = kAll);

  // The first contiguous bytes; empty only if the chain is.
  std::span<const std::byte> front() const noexcept;
  // Describes the first bytes for writev(2) and the like; returns how many parts were filled.
  size_t fill_iovec(std::span<iovec> parts) const noexcept;
  // Copies the first bytes out without consuming them; returns how many.
  size_t copy_to(std::span<std::byte> into, size_t offset = 0) const noexcept;
  // A copy of everything, for small texts and tests.
  std::string to_string() const;

 private:
  struct View {
    Block* block;
    uint32_t begin;
    uint32_t end;
    size_t length() const noexcept { return end - begin; }
  };

  void push_view(const View& view);
  void drop_first() noexcept;
  void drop_last(size_t bytes) noexcept;
  size_t append_to_tail(const std::byte* bytes, size_t count) noexcept;
  size_t tail_room() const noexcept;

  BlockPool* pool_;
  Block* reserved_ = nullptr;  // acquired by reserve(), not yet part of a view
  std::vector<View> views_;    // live from first_ on
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace keelson
