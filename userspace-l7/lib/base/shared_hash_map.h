// SharedHashMap: a hash map whose copies share what they have in common: kShards maps, of which a
// change copies the one that it concerns. Looking up costs one step more than in the standard one.
// As std::unordered_map, but entries are read only: operator[], emplace and erase change them, and
// every change ends iterators and references. One thread at a time each object; copies may be read
// by others meanwhile.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "base/copy_on_write.h"

namespace keelson {

template <class Key, class Value, class Hash = std::hash<Key>>
class SharedHashMap {
  using Shard = std::unordered_map<Key, Value, Hash>;
  static constexpr size_t kShards = 64;
  using Shards = std::array<std::shared_ptr<Shard>, kShards>;  // null: empty

 public:
  using value_type = typename Shard::value_type;

  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = SharedHashMap::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    const_iterator() = default;
    reference operator*() const noexcept { return *at_; }
    pointer operator->() const noexcept { return &*at_; }
    const_iterator& operator++() noexcept {
      ++at_;
      settle();
      return *this;
    }
    const_iterator operator++(int) noexcept {
      const_iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const const_iterator& a, const const_iterator& b) noexcept {
      return a.shard_ == b.shard_ && (a.shard_ == kShards || a.at_ == b.at_);
    }

   private:
    friend SharedHashMap;
    using Inner = typename Shard::const_iterator;
    const_iterator(const Shards* shards, size_t shard, Inner at) noexcept
        : shards_(shards), shard_(shard), at_(at) {}
    // On to the next entry that there is.
    void settle() noexcept {
      while (shard_ < kShards &&
             ((*shards_)[shard_] == nullptr || at_ == (*shards_)[shard_]->end()))
        if (++shard_ < kShards && (*shards_)[shard_] != nullptr) at_ = (*shards_)[shard_]->begin();
    }

    const Shards* shards_ = nullptr;
    size_t shard_ = kShards;
    Inner at_ = {};
  };

  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const_iterator begin() const noexcept {
    const_iterator first(&shards_, 0, {});
    if (shards_[0] != nullptr) first.at_ = shards_[0]->begin();
    first.settle();
    return first;
  }
  const_iterator end() const noexcept { return {&shards_, kShards, {}}; }
  const_iterator find(const Key& key) const {
    const size_t number = shard_of(key);
    const auto& shard = shards_[number];
    if (shard == nullptr) return end();
    const auto at = shard->find(key);
    return at == shard->end() ? end() : const_iterator(&shards_, number, at);
  }
  bool contains(const Key& key) const { return find(key) != end(); }
  const Value& at(const Key& key) const {
    const const_iterator found = find(key);
    if (found == end()) throw std::out_of_range("SharedHashMap::at");
    return found->second;
  }

  Value& operator[](const Key& key) {
    Shard& shard = own(shard_of(key));
    const size_t before = shard.size();
    Value& value = shard[key];
    size_ += shard.size() - before;
    return value;
  }
  // False: the key is there already, and nothing changes.
  bool emplace(const Key& key, Value value) {
    if (contains(key)) return false;
    own(shard_of(key)).emplace(key, std::move(value));
    ++size_;
    return true;
  }
  size_t erase(const Key& key) {
    if (!contains(key)) return 0;
    own(shard_of(key)).erase(key);
    --size_;
    return 1;
  }
  void clear() noexcept {
    shards_ = {};
    size_ = 0;
  }

  // is_same(const Value&, const Value&) for the values of each key that both have, as far as they
  // do not share them anyway.
  template <class Same>
  static bool equal(const SharedHashMap& a, const SharedHashMap& b, Same is_same) {
    if (a.size_ != b.size_) return false;
    for (size_t number = 0; number < kShards; ++number) {
      const auto &mine = a.shards_[number], &theirs = b.shards_[number];
      if (mine == theirs) continue;
      if ((mine == nullptr ? 0 : mine->size()) != (theirs == nullptr ? 0 : theirs->size()))
        return false;
      if (mine == nullptr || theirs == nullptr) continue;  // both are empty
      for (const auto& [key, value] : *mine) {
        const auto other = theirs->find(key);
        if (other == theirs->end() || !is_same(value, other->second)) return false;
      }
    }
    return true;
  }

 private:
  static size_t shard_of(const Key& key) { return Hash()(key) % kShards; }

  Shard& own(size_t number) { return own_copy(shards_[number]); }

  Shards shards_;
  size_t size_ = 0;
};

}  // namespace keelson
