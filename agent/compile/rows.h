// Rows: desired or actual content of the kernel's configuration maps, as the bytes of the ABI
// structs (keelson_abi/abi.h). Plain data, any thread. The names of MapId follow the maps' names.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>

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

template <class T>
std::string bytes_of(const T& value) {
  static_assert(std::has_unique_object_representations_v<T>);
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
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
  std::string key;
  friend auto operator<=>(const RowKey&, const RowKey&) = default;
};

using Rows = std::map<RowKey, std::string>;

}  // namespace keelson::compile
