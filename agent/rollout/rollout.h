// Rollout: brings the kernel's maps from what they hold to the newest plan, one phase after the
// other (steps.h), and waits for the proxy between tighten and steer where the plan concerns it.
// After a restart it starts from what the maps hold, so an unchanged plan writes nothing.
// Nothing is kept of a plan but its rows: every phase is made from the rows applied by then, so a
// newer plan may supersede a waiting one, and a failed write is simply tried again.
// Agent loop only. No clock: the caller decides when to retry.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.h"
#include "compile/plan.h"
#include "rollout/map_writer.h"
#include "rollout/publisher.h"
#include "rollout/steps.h"

namespace keelson::rollout {

enum class Phase : uint8_t { kIdle, kTighten, kPublish, kSteer, kRelax, kRetire };

class Rollout {
 public:
  Rollout(MapWriter& writer, Publisher& publisher) : writer_(writer), publisher_(publisher) {}

  // Each returns the number of map writes it made. An error leaves the phase where it failed; what
  // was written is known (applied()) and retry() goes on from there. Error: of MapWriter.
  Result<size_t> apply(std::shared_ptr<const compile::Plan> plan);
  Result<size_t> retry();  // nothing to do: 0
  // The proxy acknowledged what was published as `generation`; an older one is ignored.
  Result<size_t> on_published(uint64_t generation);
  // The proxy is gone: waits for it no longer, as with no proxy at all.
  Result<size_t> on_proxy_lost();

  const compile::Rows& applied() const noexcept { return applied_; }
  // What an earlier agent left in the kernel, before the first apply(), which reads it again.
  void recover(const compile::Rows& rows) { applied_ = rows; }
  Phase phase() const noexcept { return phase_; }
  uint64_t applied_generation() const noexcept { return applied_generation_; }
  // What publish() was last called with, while it is not acknowledged; 0: not waiting.
  uint64_t waiting_for() const noexcept { return phase_ == Phase::kPublish ? ticket_ : 0; }
  uint64_t writes() const noexcept { return writes_; }
  uint64_t write_failures() const noexcept { return write_failures_; }

 private:
  Result<void> advance();
  Result<void> read_once();
  Result<void> run(Phase phase, const Writes& writes);
  Result<size_t> counted_advance();

  MapWriter& writer_;
  Publisher& publisher_;
  std::shared_ptr<const compile::Plan> desired_;
  bool read_ = false;
  compile::Rows applied_;
  Phase phase_ = Phase::kIdle;
  bool proxy_agrees_ = false;  // with desired_, or there is none
  uint64_t ticket_ = 0;        // grows with each publish, also when only the node's facts changed
  uint64_t applied_generation_ = 0;
  uint64_t writes_ = 0;
  uint64_t write_failures_ = 0;
};

}  // namespace keelson::rollout
