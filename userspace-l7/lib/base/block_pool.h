// BlockPool: fixed blocks of kBlockBytes with a cap, for one worker; Block is shared by the views
// of BufferChains through a plain reference count. One thread. The pool outlives every chain that
// uses it (asserted). It does not decide who may have memory: an empty pool refuses and counts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/limits.h"

namespace keelson {

class BlockPool;

struct Block {
  BlockPool* pool;
  Block* next_free;
  size_t references;  // only a view that is alone on its block may grow
  std::byte data[kBlockBytes];
};

class BlockPool {
 public:
  struct Counts {
    size_t in_use = 0;     // blocks that some chain holds
    size_t idle = 0;       // blocks kept for reuse
    size_t peak = 0;       // largest in_use so far
    uint64_t refused = 0;  // acquire() calls that found the pool empty
  };

  explicit BlockPool(size_t blocks_max = kPoolBlocksMax,
                     size_t idle_max = kPoolIdleBlocksMax) noexcept
      : blocks_max_(blocks_max), idle_max_(idle_max) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // An empty block with one reference, or nullptr when the cap is reached or memory is out.
  [[nodiscard]] Block* acquire() noexcept;

  static void share(Block& block) noexcept { block.references++; }
  static void release(Block& block) noexcept {
    KS_ASSERT(block.references > 0);
    if (--block.references == 0) block.pool->take_back(block);
  }

  const Counts& counts() const noexcept { return counts_; }
  size_t blocks_max() const noexcept { return blocks_max_; }

 private:
  void take_back(Block& block) noexcept;

  const size_t blocks_max_;
  const size_t idle_max_;
  Block* free_ = nullptr;
  Counts counts_;
};

}  // namespace keelson
