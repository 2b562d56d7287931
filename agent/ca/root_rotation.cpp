#include "ca/root_rotation.h"

#include <algorithm>

namespace keelson::ca {

RotationStep next_rotation_step(const RotationState& state, const RotationTimes& times,
                                WallTime now) noexcept {
  if (!state.has_signing) return RotationStep::kMakeRoot;
  if (!state.is_published) return RotationStep::kPublish;
  if (state.has_next) {
    if (!state.announced_at) return RotationStep::kStamp;
    const auto announce = std::max(times.announce, times.leaf_lifetime);
    return now >= *state.announced_at + announce ? RotationStep::kSwitch : RotationStep::kNone;
  }
  if (state.has_old) {
    // Without a moment to count from (somebody edited the Secret) the old ones stay.
    const bool is_over =
        state.switched_at && now >= *state.switched_at + times.leaf_lifetime + times.margin;
    return is_over ? RotationStep::kDropOld : RotationStep::kNone;
  }
  const bool is_due = now >= state.signing_ends - times.renew_before;
  return is_due || state.is_asked ? RotationStep::kMakeNext : RotationStep::kNone;
}

}  // namespace keelson::ca
