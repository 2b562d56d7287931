// Reason: the one vocabulary for verdicts, refusals and errors, expanded from reason.def.
// The number is shared with the kernel; the name is the metric label, JSON value and log field.
// Pure, any thread. A number that is not in the list (a newer kernel side) reads as "unknown".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "keelson_abi/abi.h"

namespace keelson {

enum class Reason : uint16_t {
#define KS_REASON(number, name, text) name = number,
#include "keelson_abi/reason.def"
#undef KS_REASON
};

struct ReasonInfo {
  Reason reason;
  std::string_view name;
  std::string_view text;
};

inline constexpr auto kReasons = std::to_array<ReasonInfo>({
#define KS_REASON(number, name, text) {Reason::name, #name, text},
#include "keelson_abi/reason.def"
#undef KS_REASON
});

constexpr std::string_view reason_name(Reason reason) noexcept {
  for (const auto& info : kReasons)
    if (info.reason == reason) return info.name;
  return "unknown";
}

constexpr std::string_view reason_text(Reason reason) noexcept {
  for (const auto& info : kReasons)
    if (info.reason == reason) return info.text;
  return "a reason this build does not know";
}

}  // namespace keelson
