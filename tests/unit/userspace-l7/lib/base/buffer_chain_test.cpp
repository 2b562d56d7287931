#include "base/buffer_chain.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace keelson {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string pattern(size_t length) {
  std::string text(length, '\0');
  for (size_t i = 0; i < length; i++) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

TEST(BufferChain, GivesBackWhatWasAppendedAcrossBlocks) {
  BlockPool pool;
  BufferChain chain(pool);
  const std::string text = pattern(3 * kBlockBytes + 17);
  ASSERT_TRUE(chain.append(text));
  EXPECT_EQ(chain.size(), text.size());
  EXPECT_EQ(chain.view_count(), 4u);
  EXPECT_EQ(chain.to_string(), text);
}

TEST(BufferChain, HoldsNoBlockWhenEmpty) {
  BlockPool pool;
  BufferChain chain(pool);
  ASSERT_TRUE(chain.append(pattern(kBlockBytes + 1)));
  EXPECT_EQ(pool.counts().in_use, 2u);
  chain.consume(kBlockBytes);
  EXPECT_EQ(pool.counts().in_use, 1u);
  chain.consume(1);
  EXPECT_EQ(pool.counts().in_use, 0u);
  EXPECT_TRUE(chain.empty());
  EXPECT_TRUE(chain.front().empty());
}

TEST(BufferChain, AppendsAllOrNothingWhenThePoolRunsDry) {
  BlockPool pool(2);
  BufferChain chain(pool);
  ASSERT_TRUE(chain.append("first"));
  EXPECT_FALSE(chain.append(pattern(2 * kBlockBytes)));
  EXPECT_EQ(chain.to_string(), "first");
  EXPECT_EQ(pool.counts().refused, 1u);
  EXPECT_EQ(pool.counts().in_use, 1u);
  EXPECT_TRUE(chain.append("second"));
  EXPECT_EQ(chain.to_string(), "firstsecond");
}

TEST(BufferChain, ReadsIntoReservedSpace) {
  BlockPool pool;
  BufferChain chain(pool);
  auto space = chain.reserve();
  ASSERT_EQ(space.size(), kBlockBytes);
  std::memcpy(space.data(), "hello", 5);
  chain.commit(5);
  space = chain.reserve(kBlockBytes - 5);
  ASSERT_EQ(space.size(), kBlockBytes - 5) << "the rest of the same block";
  chain.commit(0);
  EXPECT_EQ(chain.reserve(kBlockBytes - 4).size(), kBlockBytes) << "too little room: a new block";
  chain.commit(0);
  EXPECT_EQ(pool.counts().in_use, 1u) << "an unused reservation is given back";
  EXPECT_EQ(chain.to_string(), "hello");
}

TEST(BufferChain, ReservesNothingFromAnEmptyPool) {
  BlockPool pool(1);
  BufferChain first(pool);
  BufferChain second(pool);
  ASSERT_TRUE(first.append("x"));
  EXPECT_TRUE(second.reserve().empty());
}

TEST(BufferChain, MovesLargePartsWithoutCopying) {
  BlockPool pool;
  BufferChain from(pool);
  BufferChain to(pool);
  ASSERT_TRUE(from.append(pattern(2 * kBlockBytes)));
  const std::byte* const first = from.front().data();
  to.move_from(from, kBlockBytes + kBlockBytes / 2);
  EXPECT_EQ(to.front().data(), first);
  EXPECT_EQ(to.size(), kBlockBytes + kBlockBytes / 2);
  EXPECT_EQ(from.size(), kBlockBytes / 2);
  EXPECT_EQ(to.to_string() + from.to_string(), pattern(2 * kBlockBytes));
  EXPECT_EQ(pool.counts().in_use, 2u) << "the split block is shared";
}

TEST(BufferChain, DoesNotPinABlockForEachSingleByte) {
  BlockPool pool;
  BufferChain from(pool);
  BufferChain to(pool);
  for (int i = 0; i < 1000; i++) {
    ASSERT_TRUE(from.append("x"));
    to.move_from(from);
  }
  EXPECT_EQ(to.size(), 1000u);
  EXPECT_EQ(pool.counts().in_use, 1u);
}

TEST(BufferChain, NeverWritesIntoBytesThatAnotherChainSees) {
  BlockPool pool;
  BufferChain original(pool);
  BufferChain copy(pool);
  ASSERT_TRUE(original.append("head-"));
  copy.share_from(original);
  ASSERT_TRUE(original.append("one"));
  ASSERT_TRUE(copy.append("two"));
  EXPECT_EQ(original.to_string(), "head-one");
  EXPECT_EQ(copy.to_string(), "head-two");
}

TEST(BufferChain, SharesAPartAtAnOffset) {
  BlockPool pool;
  BufferChain original(pool);
  BufferChain part(pool);
  const std::string text = pattern(2 * kBlockBytes);
  ASSERT_TRUE(original.append(text));
  part.share_from(original, kBlockBytes - 3, 10);
  EXPECT_EQ(part.to_string(), text.substr(kBlockBytes - 3, 10));
  EXPECT_EQ(original.size(), text.size());
}

TEST(BufferChain, DescribesItsPartsForOneSystemCall) {
  BlockPool pool;
  BufferChain chain(pool);
  ASSERT_TRUE(chain.append(pattern(2 * kBlockBytes + 5)));
  chain.consume(3);
  std::array<iovec, 2> parts;
  ASSERT_EQ(chain.fill_iovec(parts), 2u);
  EXPECT_EQ(parts[0].iov_len, kBlockBytes - 3);
  EXPECT_EQ(parts[1].iov_len, kBlockBytes);
  EXPECT_EQ(static_cast<char*>(parts[0].iov_base)[0], 'd');
}

// Random operations on three chains against strings: nothing lost, reordered or leaked.
TEST(BufferChain, BehavesLikeAString) {
  std::mt19937 random(20240817);
  BlockPool pool;
  {
    std::array<BufferChain, 3> chains{BufferChain(pool), BufferChain(pool), BufferChain(pool)};
    std::array<std::string, 3> models;
    for (int step = 0; step < 20000; step++) {
      const size_t a = random() % 3;
      const size_t b = (a + 1 + random() % 2) % 3;
      const size_t length = random() % (random() % 8 == 0 ? 2 * kBlockBytes : 300);
      switch (random() % 6) {
        case 0:
        case 1: {
          const std::string text = pattern(length);
          ASSERT_TRUE(chains[a].append(bytes_of(text)));
          models[a] += text;
          break;
        }
        case 2: {
          const size_t n = std::min(length, models[a].size());
          chains[a].consume(n);
          models[a].erase(0, n);
          break;
        }
        case 3: {
          const size_t n = std::min(length, models[b].size());
          chains[a].move_from(chains[b], n);
          models[a] += models[b].substr(0, n);
          models[b].erase(0, n);
          break;
        }
        case 4: {
          const auto space = chains[a].reserve(1 + random() % kBlockBytes);
          const size_t n = std::min(length, space.size());
          std::memset(space.data(), 'r', n);
          chains[a].commit(n);
          models[a].append(n, 'r');
          break;
        }
        default: {
          if (models[a].size() > 4 * kBlockBytes) {
            chains[a].clear();
            models[a].clear();
          }
          const size_t offset = models[b].empty() ? 0 : random() % models[b].size();
          chains[a].share_from(chains[b], offset, 50);
          models[a] += models[b].substr(offset, 50);
        }
      }
      ASSERT_EQ(chains[a].size(), models[a].size()) << "step " << step;
      if (step % 64 == 0) {
        ASSERT_EQ(chains[a].to_string(), models[a]) << "step " << step;
      }
    }
    for (size_t i = 0; i < 3; i++) EXPECT_EQ(chains[i].to_string(), models[i]);
  }
  EXPECT_EQ(pool.counts().in_use, 0u);
}

TEST(BlockPool, KeepsAFewFreeBlocksAndCounts) {
  BlockPool pool(3, 1);
  Block* a = pool.acquire();
  Block* b = pool.acquire();
  Block* c = pool.acquire();
  EXPECT_EQ(pool.acquire(), nullptr);
  BlockPool::share(*a);
  BlockPool::release(*a);
  EXPECT_EQ(pool.counts().in_use, 3u) << "still referred to";
  BlockPool::release(*a);
  BlockPool::release(*b);
  BlockPool::release(*c);
  EXPECT_EQ(pool.counts().in_use, 0u);
  EXPECT_EQ(pool.counts().idle, 1u);
  EXPECT_EQ(pool.counts().peak, 3u);
  EXPECT_EQ(pool.counts().refused, 1u);
}

TEST(BlockPoolDeathTest, RefusesToDieBeforeItsChains) {
  EXPECT_DEATH(
      {
        auto pool = std::make_unique<BlockPool>();
        BufferChain chain(*pool);
        if (chain.append("x")) pool.reset();
      },
      "invariant broken");
}

}  // namespace
}  // namespace keelson
