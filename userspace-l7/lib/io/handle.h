// Handle<T, Payload>: owns one libuv handle on the heap, and beside it the payload (the callback).
// States: open -> closing -> closed; destroying a Handle starts the close, and only libuv's close
// callback frees the memory, so a callback may destroy the object it was called for. A closing
// handle calls nobody. One thread: its loop's. Moveable; the payload does not move.
#pragma once

#include <uv.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "base/assert.h"

namespace keelson::io {

template <class T, class Payload>
class Handle {
 public:
  Handle() noexcept = default;
  Handle(Handle&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      close();
      node_ = std::exchange(other.node_, nullptr);
    }
    return *this;
  }
  ~Handle() { close(); }

  // Calls init(T*), libuv's initialiser; returns its status. On failure nothing is open.
  template <class Init>
  [[nodiscard]] int open(Payload payload, Init&& init) {
    KS_ASSERT(node_ == nullptr);
    auto node = std::make_unique<Node>(std::move(payload));
    if (const int status = init(&node->handle); status != 0) return status;
    node->handle.data = node.get();
    node_ = node.release();
    return 0;
  }

  void close() noexcept {
    if (node_ == nullptr) return;
    Node* node = std::exchange(node_, nullptr);
    node->is_closing = true;
    uv_close(reinterpret_cast<uv_handle_t*>(&node->handle),
             [](uv_handle_t* closed) { delete static_cast<Node*>(closed->data); });
  }

  bool is_open() const noexcept { return node_ != nullptr; }
  T* get() const noexcept {
    KS_ASSERT(node_ != nullptr);
    return &node_->handle;
  }

  // For trampolines, once a call: the payload of a handle that libuv calls back, nullptr once it is
  // closing.
  static Payload* payload_of(T* handle) noexcept {
    Node* node = static_cast<Node*>(handle->data);
    ++*static_cast<uint64_t*>(handle->loop->data);  // EventLoop's count of callbacks
    return node->is_closing ? nullptr : &node->payload;
  }

 private:
  struct Node {
    explicit Node(Payload&& p) : payload(std::move(p)) {}
    T handle{};
    Payload payload;
    bool is_closing = false;
  };
  Node* node_ = nullptr;
};

}  // namespace keelson::io
