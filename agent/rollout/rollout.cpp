#include "rollout/rollout.h"

#include <algorithm>

namespace keelson::rollout {

Result<void> Rollout::read_once() {
  if (read_) return {};
  KS_ASSIGN(applied_, writer_.read_all());
  read_ = true;
  return {};
}

Result<void> Rollout::run(Phase phase, const Writes& writes) {
  phase_ = phase;
  for (const Write& write : writes) {
    const auto& [map, key] = write.row;
    Result<void> done = write.value ? writer_.put(map, key, *write.value) : writer_.erase(map, key);
    if (!done) {
      write_failures_++;
      return done;
    }
    writes_++;
    if (write.value)
      applied_[write.row] = *write.value;
    else
      applied_.erase(write.row);
  }
  return {};
}

Result<void> Rollout::advance() {
  if (!desired_) return {};
  KS_TRY(read_once());
  const Steps steps = make_steps(applied_, desired_->rows);
  KS_TRY(run(Phase::kTighten, steps.tighten));
  if (steps.needs_proxy && !proxy_agrees_) {
    phase_ = Phase::kPublish;
    ticket_ = std::max(desired_->generation, ticket_ + 1);
    if (publisher_.publish(ticket_)) return {};
    proxy_agrees_ = true;
  }
  KS_TRY(run(Phase::kSteer, steps.steer));
  KS_TRY(run(Phase::kRelax, steps.relax));
  KS_TRY(run(Phase::kRetire, steps.retire));
  phase_ = Phase::kIdle;
  applied_ = desired_->rows;  // the same, and shared with it from now on
  applied_generation_ = desired_->generation;
  return {};
}

Result<size_t> Rollout::counted_advance() {
  const uint64_t before = writes_;
  KS_TRY(advance());
  return writes_ - before;
}

Result<size_t> Rollout::apply(std::shared_ptr<const compile::Plan> plan) {
  desired_ = std::move(plan);
  proxy_agrees_ = false;
  return counted_advance();
}

Result<size_t> Rollout::retry() {
  if (phase_ == Phase::kPublish || !desired_ || (phase_ == Phase::kIdle && read_)) return 0;
  return counted_advance();
}

Result<size_t> Rollout::on_published(uint64_t generation) {
  if (phase_ != Phase::kPublish || generation < ticket_) return 0;
  proxy_agrees_ = true;
  return counted_advance();
}

Result<size_t> Rollout::on_proxy_lost() {
  if (phase_ != Phase::kPublish) return 0;
  proxy_agrees_ = true;
  return counted_advance();
}

}  // namespace keelson::rollout
