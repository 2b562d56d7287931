// Rows: desired or actual content of the kernel's configuration maps, as the bytes of the ABI
// structs (keelson_abi/abi.h). Plain data, any thread. The names of MapId follow the maps' names.
// There are some 200,000 in a large cluster: RowBytes keeps short ones in place, and copies of Rows
// share what they have in common (base/shared_map.h).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "base/shared_map.h"
#include "keelson_abi/abi.h"

namespace keelson::compile {

enum class MapId : uint8_t {
  kPod,
  kPort,
  kAddress,
  kInterface,
  kService,
  kBackend,
  kSet,
  kClassId,
  kClassPort,
  kClassAddr,
  kPolicy,
};
inline constexpr int kMapIds = 11;

// An immutable key or value. All keys fit in place, and so do all values but the pods'.
class RowBytes {
 public:
  static constexpr size_t kInPlaceMax = 28;
  static constexpr size_t kSizeMax = 255;

  RowBytes() = default;
  RowBytes(std::string_view bytes) : size_(static_cast<uint8_t>(bytes.size())) {
    KS_ASSERT(bytes.size() <= kSizeMax);
    char* to = place_.data();
    if (!is_in_place()) {
      to = new char[size_];
      std::memcpy(place_.data(), &to, sizeof to);
    }
    if (size_ != 0) std::memcpy(to, bytes.data(), size_);
  }
  RowBytes(const std::string& bytes) : RowBytes(std::string_view(bytes)) {}
  RowBytes(const char* bytes) : RowBytes(std::string_view(bytes)) {}
  RowBytes(const RowBytes& other) : RowBytes(std::string_view(other)) {}
  RowBytes(RowBytes&& other) noexcept
      : size_(std::exchange(other.size_, 0)), place_(other.place_) {}
  RowBytes& operator=(RowBytes other) noexcept {
    std::swap(size_, other.size_);
    std::swap(place_, other.place_);
    return *this;
  }
  ~RowBytes() {
    if (!is_in_place()) delete[] data();
  }

  const char* data() const noexcept {
    if (is_in_place()) return place_.data();
    const char* elsewhere;
    std::memcpy(&elsewhere, place_.data(), sizeof elsewhere);
    return elsewhere;
  }
  size_t size() const noexcept { return size_; }
  operator std::string_view() const noexcept { return {data(), size_}; }

  friend bool operator==(const RowBytes& a, const RowBytes& b) noexcept {
    return std::string_view(a) == std::string_view(b);
  }
  friend std::strong_ordering operator<=>(const RowBytes& a, const RowBytes& b) noexcept {
    return std::string_view(a) <=> std::string_view(b);
  }

 private:
  bool is_in_place() const noexcept { return size_ <= kInPlaceMax; }

  uint8_t size_ = 0;
  std::array<char, kInPlaceMax> place_{};  // or the address of a longer one
};

template <class T>
RowBytes bytes_of(const T& value) {
  static_assert(std::has_unique_object_representations_v<T> && sizeof value <= RowBytes::kSizeMax);
  return std::string_view(reinterpret_cast<const char*>(&value), sizeof value);
}

// Precondition: bytes.size() == sizeof(T).
template <class T>
T value_of(std::string_view bytes) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

struct RowKey {
  MapId map = MapId::kPod;
  RowBytes key;
  friend auto operator<=>(const RowKey&, const RowKey&) = default;
};

using Rows = SharedMap<RowKey, RowBytes>;

}  // namespace keelson::compile
