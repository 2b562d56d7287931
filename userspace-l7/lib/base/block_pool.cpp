#include "base/block_pool.h"

#include <algorithm>
#include <new>

namespace keelson {

BlockPool::~BlockPool() {
  KS_ASSERT(counts_.in_use == 0);
  while (free_ != nullptr) {
    Block* block = free_;
    free_ = block->next_free;
    delete block;
  }
}

Block* BlockPool::acquire() noexcept {
  if (counts_.in_use >= blocks_max_) {
    counts_.refused++;
    return nullptr;
  }
  Block* block = free_;
  if (block != nullptr) {
    free_ = block->next_free;
    counts_.idle--;
  } else {
    block = new (std::nothrow) Block;  // data stays uninitialised on purpose
    if (block == nullptr) {
      counts_.refused++;
      return nullptr;
    }
  }
  block->pool = this;
  block->next_free = nullptr;
  block->references = 1;
  counts_.in_use++;
  counts_.peak = std::max(counts_.peak, counts_.in_use);
  return block;
}

void BlockPool::take_back(Block& block) noexcept {
  KS_ASSERT(block.pool == this && counts_.in_use > 0);
  counts_.in_use--;
  if (counts_.idle >= idle_max_) {
    delete &block;
    return;
  }
  block.next_free = free_;
  free_ = &block;
  counts_.idle++;
}

}  // namespace keelson
