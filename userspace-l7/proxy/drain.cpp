#include "proxy/drain.h"

#include <algorithm>

#include "base/limits.h"

namespace keelson::proxy {

Drain::Drain(std::vector<Drained*> drained, hbone::Alarms& alarms, std::chrono::seconds deadline,
             std::function<void()> on_finished)
    : drained_(std::move(drained)),
      deadline_(deadline),
      on_finished_(std::move(on_finished)),
      alarm_(alarms.make([this] { force(); })),
      last_call_(alarms.make([this] { call_last(); })) {}

void Drain::request() {
  if (has_begun_) return force();
  has_begun_ = true;
  busy_ = drained_.size();
  alarm_->start(deadline_);
  // Until then answers say `close`: a client that is told so in time has no race to lose.
  last_call_->start(std::max(deadline_ - kDrainLastCall, deadline_ / 2));
  for (Drained* each : drained_) each->begin_drain([this] { on_idle(); });
}

void Drain::call_last() {
  for (Drained* each : drained_) each->last_call();
}

void Drain::force() {
  if (is_forced_ || busy_ == 0) return;
  is_forced_ = true;
  for (Drained* each : drained_) each->reset_all();
}

void Drain::on_idle() {
  if (--busy_ > 0) return;
  alarm_->stop();
  last_call_->stop();
  on_finished_();
}

}  // namespace keelson::proxy
