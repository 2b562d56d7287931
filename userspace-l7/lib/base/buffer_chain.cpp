#include "base/buffer_chain.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace keelson {

BufferChain::BufferChain(BufferChain&& other) noexcept
    : pool_(other.pool_),
      reserved_(std::exchange(other.reserved_, nullptr)),
      views_(std::move(other.views_)),
      first_(std::exchange(other.first_, 0)),
      size_(std::exchange(other.size_, 0)) {
  other.views_.clear();
}

BufferChain& BufferChain::operator=(BufferChain&& other) noexcept {
  if (this == &other) return *this;
  clear();
  pool_ = other.pool_;
  reserved_ = std::exchange(other.reserved_, nullptr);
  views_.swap(other.views_);
  std::swap(first_, other.first_);
  std::swap(size_, other.size_);
  return *this;
}

void BufferChain::clear() noexcept {
  for (size_t i = first_; i < views_.size(); i++) BlockPool::release(*views_[i].block);
  views_.clear();
  first_ = 0;
  size_ = 0;
  if (reserved_ != nullptr) BlockPool::release(*std::exchange(reserved_, nullptr));
}

size_t BufferChain::tail_room() const noexcept {
  if (first_ == views_.size()) return 0;
  const View& tail = views_.back();
  return tail.block->references == 1 ? kBlockBytes - tail.end : 0;
}

size_t BufferChain::append_to_tail(const std::byte* bytes, size_t count) noexcept {
  const size_t copied = std::min(count, tail_room());
  if (copied == 0) return 0;
  View& tail = views_.back();
  std::memcpy(tail.block->data + tail.end, bytes, copied);
  tail.end += static_cast<uint32_t>(copied);
  size_ += copied;
  return copied;
}

bool BufferChain::append(std::span<const std::byte> bytes) {
  const size_t whole = bytes.size();
  while (true) {
    bytes = bytes.subspan(append_to_tail(bytes.data(), bytes.size()));
    if (bytes.empty()) return true;
    Block* block = reserved_ != nullptr ? std::exchange(reserved_, nullptr) : pool_->acquire();
    if (block == nullptr) break;
    push_view({block, 0, 0});
  }
  drop_last(whole - bytes.size());
  return false;
}

bool BufferChain::append(std::string_view text) {
  return append(std::as_bytes(std::span(text.data(), text.size())));
}

// Undoes the partial append of `bytes`, so that append() is all or nothing.
void BufferChain::drop_last(size_t bytes) noexcept {
  size_ -= bytes;
  while (bytes > 0) {
    View& tail = views_.back();
    const size_t part = std::min(bytes, tail.length());
    tail.end -= static_cast<uint32_t>(part);
    bytes -= part;
    if (tail.length() == 0) {
      BlockPool::release(*tail.block);
      views_.pop_back();
    }
  }
  if (first_ == views_.size()) {
    views_.clear();
    first_ = 0;
  }
}

std::span<std::byte> BufferChain::reserve(size_t bytes_min) {
  KS_ASSERT(bytes_min > 0 && bytes_min <= kBlockBytes);
  if (const size_t room = tail_room(); reserved_ == nullptr && room >= bytes_min)
    return {views_.back().block->data + views_.back().end, room};
  if (reserved_ == nullptr) reserved_ = pool_->acquire();
  if (reserved_ == nullptr) return {};
  return {reserved_->data, kBlockBytes};
}

void BufferChain::commit(size_t bytes) noexcept {
  KS_ASSERT(bytes <= (reserved_ != nullptr ? kBlockBytes : tail_room()));
  if (reserved_ == nullptr) {
    if (bytes > 0) views_.back().end += static_cast<uint32_t>(bytes);
  } else if (bytes > 0) {
    push_view({std::exchange(reserved_, nullptr), 0, static_cast<uint32_t>(bytes)});
  } else {
    BlockPool::release(*std::exchange(reserved_, nullptr));
  }
  size_ += bytes;
}

void BufferChain::push_view(const View& view) {
  // Moves the live views to the front before the vector would grow for the dead ones' sake.
  if (views_.size() == views_.capacity() && first_ > views_.size() / 2) {
    views_.erase(views_.begin(), views_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  views_.push_back(view);
}

void BufferChain::drop_first() noexcept {
  BlockPool::release(*views_[first_].block);
  if (++first_ == views_.size()) {
    views_.clear();
    first_ = 0;
  }
}

void BufferChain::consume(size_t bytes) noexcept {
  KS_ASSERT(bytes <= size_);
  size_ -= bytes;
  while (bytes > 0) {
    View& front = views_[first_];
    if (bytes < front.length()) {
      front.begin += static_cast<uint32_t>(bytes);
      return;
    }
    bytes -= front.length();
    drop_first();
  }
}

void BufferChain::move_from(BufferChain& from, size_t bytes) {
  KS_ASSERT(this != &from);
  bytes = std::min(bytes, from.size_);
  from.size_ -= bytes;
  while (bytes > 0) {
    View& front = from.views_[from.first_];
    const size_t part = std::min(bytes, front.length());
    const std::byte* data = front.block->data + front.begin;
    const bool whole = part == front.length();
    if (part <= kCopyBytesMax && tail_room() >= part) {
      append_to_tail(data, part);
      if (whole) from.drop_first();
    } else {
      if (!whole) BlockPool::share(*front.block);
      push_view({front.block, front.begin, front.begin + static_cast<uint32_t>(part)});
      size_ += part;
      if (whole) {
        BlockPool::share(*front.block);  // the new view's; drop_first gives the old one's back
        from.drop_first();
      }
    }
    if (!whole) front.begin += static_cast<uint32_t>(part);
    bytes -= part;
  }
}

void BufferChain::share_from(const BufferChain& from, size_t offset, size_t bytes) {
  KS_ASSERT(this != &from && offset <= from.size_);
  bytes = std::min(bytes, from.size_ - offset);
  for (size_t i = from.first_; i < from.views_.size() && bytes > 0; i++) {
    const View& view = from.views_[i];
    if (offset >= view.length()) {
      offset -= view.length();
      continue;
    }
    const uint32_t begin = view.begin + static_cast<uint32_t>(offset);
    const size_t part = std::min<size_t>(bytes, view.end - begin);
    BlockPool::share(*view.block);
    push_view({view.block, begin, begin + static_cast<uint32_t>(part)});
    size_ += part;
    bytes -= part;
    offset = 0;
  }
}

std::span<const std::byte> BufferChain::front() const noexcept {
  if (size_ == 0) return {};
  const View& view = views_[first_];
  return {view.block->data + view.begin, view.length()};
}

size_t BufferChain::fill_iovec(std::span<iovec> parts) const noexcept {
  const size_t count = std::min(parts.size(), view_count());
  for (size_t i = 0; i < count; i++) {
    const View& view = views_[first_ + i];
    parts[i] = {view.block->data + view.begin, view.length()};
  }
  return count;
}

size_t BufferChain::copy_to(std::span<std::byte> into, size_t offset) const noexcept {
  size_t copied = 0;
  for (size_t i = first_; i < views_.size() && copied < into.size(); i++) {
    const View& view = views_[i];
    if (offset >= view.length()) {
      offset -= view.length();
      continue;
    }
    const size_t part = std::min(into.size() - copied, view.length() - offset);
    std::memcpy(into.data() + copied, view.block->data + view.begin + offset, part);
    copied += part;
    offset = 0;
  }
  return copied;
}

std::string BufferChain::to_string() const {
  std::string text(size_, '\0');
  copy_to(std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace keelson
