#include "admin/admin_state.h"

namespace keelson::admin {

std::string_view rollout_phase_name(RolloutPhase phase) noexcept {
  switch (phase) {
    case RolloutPhase::kIdle:
      return "idle";
    case RolloutPhase::kTighten:
      return "tighten";
    case RolloutPhase::kPublish:
      return "publish";
    case RolloutPhase::kSteer:
      return "steer";
    case RolloutPhase::kRelax:
      return "relax";
    case RolloutPhase::kRetire:
      return "retire";
    case RolloutPhase::kFenced:
      return "fenced";
  }
  return "unknown";
}

std::string_view enrolment_state_name(EnrolmentState state) noexcept {
  switch (state) {
    case EnrolmentState::kJoining:
      return "joining";
    case EnrolmentState::kReady:
      return "ready";
    case EnrolmentState::kLeaving:
      return "leaving";
    case EnrolmentState::kRefused:
      return "refused";
  }
  return "unknown";
}

}  // namespace keelson::admin
