// root_rotation: which step the CA's roots need next. Pure, any thread: the state and the time come
// in. A root is replaced so that no handshake ever fails for it:
//
//   no root --kMakeRoot--> one root (signs)
//   one root --kMakeNext--> + next root, in the bundle --kStamp--> announced since `announced_at`
//   --kSwitch, after `announce`--> next signs since `switched_at`, the former is old, still trusted
//   --kDropOld, after the last leaf's end--> one root
//
// kPublish stands before every step but the first: nothing advances while the published bundle is
// not the wanted one. Why `announce` is a leaf's lifetime: an answer to a signing request carries
// the bundle, so whoever holds a valid leaf after that time has a bundle with the new root, even if
// its copy of the ConfigMap never came. Old roots go `margin` after their last leaf could have
// ended, for replicas that noticed the switch late. A clock that is set back only delays.
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"

namespace keelson::ca {

struct RotationTimes {
  std::chrono::seconds leaf_lifetime = std::chrono::hours(24);
  std::chrono::seconds announce = std::chrono::hours(24);  // at least leaf_lifetime
  std::chrono::seconds margin = std::chrono::hours(1);
  std::chrono::seconds renew_before = std::chrono::hours(24 * 365);  // the signing root's end
};

struct RotationState {
  bool has_signing = false;
  bool has_next = false;
  bool has_old = false;
  WallTime signing_ends = {};                 // with has_signing
  std::optional<WallTime> announced_at = {};  // next has been in the published bundle since
  std::optional<WallTime> switched_at = {};   // the old ones have signed nothing since
  bool is_published = false;                  // the published bundle is the wanted one
  bool is_asked = false;                      // somebody wants a rotation now
};

enum class RotationStep : uint8_t {
  kNone,
  kMakeRoot,
  kPublish,
  kMakeNext,
  kStamp,   // announced_at = now
  kSwitch,  // next signs, signing becomes old, switched_at = now
  kDropOld
};

RotationStep next_rotation_step(const RotationState& state, const RotationTimes& times,
                                WallTime now) noexcept;

}  // namespace keelson::ca
