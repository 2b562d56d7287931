// SharedMap: an ordered map whose copies share what they have in common. Its entries lie in sorted
// leaves of up to kLeafMax; a copy copies only the pointers to them, a change copies the one leaf
// that it concerns, and differences() skips every leaf that two maps share. So that a generation
// of 200,000 rows costs what differs from the one before it. Otherwise as std::map, but entries are
// read only: operator[], insert_or_assign and erase change them, and every change ends iterators
// and references. One thread at a time each object; copies may be read by others meanwhile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/copy_on_write.h"

namespace keelson {

template <class Key, class Value>
class SharedMap {
 public:
  using key_type = Key;
  using mapped_type = Value;
  using value_type = std::pair<Key, Value>;

 private:
  using Leaf = std::vector<value_type>;  // sorted; never empty
  using Leaves = std::vector<std::shared_ptr<Leaf>>;
  static constexpr size_t kLeafMax = 128;

 public:
  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = SharedMap::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    const_iterator() = default;
    reference operator*() const noexcept { return (*(*leaves_)[leaf_])[at_]; }
    pointer operator->() const noexcept { return &**this; }
    const_iterator& operator++() noexcept {
      if (++at_ == (*leaves_)[leaf_]->size()) {
        ++leaf_;
        at_ = 0;
      }
      return *this;
    }
    const_iterator operator++(int) noexcept {
      const_iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const const_iterator&, const const_iterator&) = default;

   private:
    friend SharedMap;
    const_iterator(const Leaves& leaves, size_t leaf, size_t at) noexcept
        : leaves_(&leaves), leaf_(leaf), at_(at) {}
    bool is_end() const noexcept { return leaf_ == leaves_->size(); }
    // Both stand before one and the same leaf.
    bool shares_leaf(const const_iterator& other) const noexcept {
      return at_ == 0 && other.at_ == 0 && (*leaves_)[leaf_] == (*other.leaves_)[other.leaf_];
    }
    void skip_leaf() noexcept { ++leaf_; }

    const Leaves* leaves_ = nullptr;
    size_t leaf_ = 0, at_ = 0;
  };
  using iterator = const_iterator;

  SharedMap() = default;
  SharedMap(std::initializer_list<value_type> entries) {
    for (const value_type& entry : entries) emplace(entry.first, entry.second);
  }

  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const_iterator begin() const noexcept { return {leaves_, 0, 0}; }
  const_iterator end() const noexcept { return {leaves_, leaves_.size(), 0}; }

  const_iterator lower_bound(const Key& key) const {
    const size_t leaf = leaf_of(key);
    if (leaf == leaves_.size()) return end();
    const size_t at = place_in(*leaves_[leaf], key);
    if (at < leaves_[leaf]->size()) return {leaves_, leaf, at};
    return {leaves_, leaf + 1, 0};
  }
  const_iterator find(const Key& key) const {
    const const_iterator at = lower_bound(key);
    return at != end() && !(key < at->first) ? at : end();
  }
  bool contains(const Key& key) const { return find(key) != end(); }
  const Value& at(const Key& key) const {
    const const_iterator found = find(key);
    if (found == end()) throw std::out_of_range("SharedMap::at");
    return found->second;
  }

  // Nothing changes when the key is there already.
  std::pair<const_iterator, bool> emplace(Key key, Value value) {
    const const_iterator found = lower_bound(key);
    if (found != end() && !(key < found->first)) return {found, false};
    return {insert(std::move(key), std::move(value)), true};
  }
  // True when it was not there, or another value was.
  bool insert_or_assign(const Key& key, Value value) {
    const const_iterator found = find(key);
    if (found == end()) {
      insert(key, std::move(value));
      return true;
    }
    if (found->second == value) return false;
    own(found.leaf_)[found.at_].second = std::move(value);
    return true;
  }
  Value& operator[](const Key& key) {
    const_iterator found = find(key);
    if (found == end()) found = insert(key, Value());
    return own(found.leaf_)[found.at_].second;
  }
  size_t erase(const Key& key) {
    const const_iterator found = find(key);
    if (found == end()) return 0;
    Leaf& leaf = own(found.leaf_);
    leaf.erase(leaf.begin() + static_cast<std::ptrdiff_t>(found.at_));
    --size_;
    tidy(found.leaf_);
    return 1;
  }
  void clear() noexcept {
    leaves_.clear();
    size_ = 0;
  }

  // visit(key, const Value* in a, const Value* in b) for each key whose values differ, in order;
  // null: not there. Costs what differs, and one comparison for each leaf.
  template <class Visit>
  static void differences(const SharedMap& a, const SharedMap& b, Visit visit) {
    const_iterator x = a.begin(), y = b.begin();
    const Value* const none = nullptr;
    while (!x.is_end() && !y.is_end()) {
      if (x.shares_leaf(y)) {
        x.skip_leaf();
        y.skip_leaf();
      } else if (x->first < y->first) {
        visit(x->first, &x->second, none);
        ++x;
      } else if (y->first < x->first) {
        visit(y->first, none, &y->second);
        ++y;
      } else {
        if (!(x->second == y->second)) visit(x->first, &x->second, &y->second);
        ++x;
        ++y;
      }
    }
    for (; !x.is_end(); ++x) visit(x->first, &x->second, none);
    for (; !y.is_end(); ++y) visit(y->first, none, &y->second);
  }

  friend bool operator==(const SharedMap& a, const SharedMap& b) {
    if (a.size_ != b.size_) return false;
    if (a.leaves_ == b.leaves_) return true;
    return std::equal(a.begin(), a.end(), b.begin());
  }

 private:
  // The leaf that holds the key, or would: the last one that begins at it or before it.
  size_t leaf_of(const Key& key) const {
    const auto after = std::upper_bound(
        leaves_.begin(), leaves_.end(), key,
        [](const Key& wanted, const auto& leaf) { return wanted < leaf->front().first; });
    return after == leaves_.begin() ? 0 : static_cast<size_t>(after - leaves_.begin()) - 1;
  }
  static size_t place_in(const Leaf& leaf, const Key& key) {
    const auto at = std::lower_bound(
        leaf.begin(), leaf.end(), key,
        [](const value_type& entry, const Key& wanted) { return entry.first < wanted; });
    return static_cast<size_t>(at - leaf.begin());
  }

  Leaf& own(size_t number) { return own_copy(leaves_[number]); }

  const_iterator insert(Key key, Value value) {
    ++size_;
    if (leaves_.empty()) {
      leaves_.push_back(std::make_shared<Leaf>());
      leaves_[0]->emplace_back(std::move(key), std::move(value));
      return begin();
    }
    size_t number = leaf_of(key);
    size_t at = place_in(*leaves_[number], key);
    if (leaves_[number]->size() == kLeafMax) {
      const size_t kept = split(number, at);
      if (at >= kept) {
        ++number;
        at -= kept;
      }
    }
    Leaf& leaf = own(number);
    leaf.emplace(leaf.begin() + static_cast<std::ptrdiff_t>(at), std::move(key), std::move(value));
    return {leaves_, number, at};
  }
  // What is filled in order stays full: nothing moves for an entry behind the last. Returns how
  // many entries stay.
  size_t split(size_t number, size_t at) {
    const size_t kept = at == kLeafMax ? kLeafMax : kLeafMax / 2;
    auto upper = std::make_shared<Leaf>();
    if (kept < kLeafMax) {
      Leaf& lower = own(number);
      const auto middle = lower.begin() + static_cast<std::ptrdiff_t>(kept);
      upper->assign(std::make_move_iterator(middle), std::make_move_iterator(lower.end()));
      lower.erase(middle, lower.end());
    }
    leaves_.insert(leaves_.begin() + static_cast<std::ptrdiff_t>(number) + 1, std::move(upper));
    return kept;
  }
  // After an entry went: no empty leaf, and small neighbours become one.
  void tidy(size_t number) {
    const auto place = [this](size_t leaf) {
      return leaves_.begin() + static_cast<std::ptrdiff_t>(leaf);
    };
    if (leaves_[number]->empty()) {
      leaves_.erase(place(number));
      return;
    }
    if (number + 1 == leaves_.size()) return;
    const Leaf& next = *leaves_[number + 1];
    if (leaves_[number]->size() + next.size() > kLeafMax / 2) return;
    Leaf& leaf = own(number);
    leaf.insert(leaf.end(), next.begin(), next.end());
    leaves_.erase(place(number + 1));
  }

  Leaves leaves_;
  size_t size_ = 0;
};

}  // namespace keelson
