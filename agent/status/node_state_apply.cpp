#include "status/node_state_apply.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "kube/resource.h"
#include "model/node_state_yaml.h"

namespace keelson::status {
namespace {

// Longer than a watch takes to bring back what was just applied.
constexpr std::chrono::seconds kRepairDelay{5};
constexpr std::chrono::seconds kCallLimit{10};

std::string target_of(const std::string& node_name) {
  const auto resources = kube::followed_resources();
  const auto resource = std::find_if(resources.begin(), resources.end(),
                                     [](const auto& each) { return each.kind == "NodeState"; });
  KS_ASSERT(resource != resources.end());
  // A conflict would be with somebody who took fields of ours: nobody else has any business there.
  return kube::object_target(*resource, 0, "", node_name) + "?fieldManager=" + kFieldManager +
         "&force=true";
}

}  // namespace

NodeStateApply::NodeStateApply(const std::string& node_name, std::string node_uid, Seams seams)
    : target_(target_of(node_name)),
      node_uid_(std::move(node_uid)),
      seams_(std::move(seams)),
      backoff_(seams_.random) {}

Result<bool> NodeStateApply::write(const model::NodeState& state) {
  std::string text = model::to_yaml(state);
  if (text == wanted_) return false;
  wanted_ = std::move(text);
  body_ = model::to_yaml(state, node_uid_);
  if (!call_ && !retry_at_) send();
  return true;
}

void NodeStateApply::on_seen(const model::NodeState* seen) {
  const bool is_settled = !applied_.empty() && applied_ == wanted_ && !call_ && !retry_at_;
  if (seen != nullptr) was_seen_ = true;
  if (!is_settled || (seen != nullptr && model::to_yaml(*seen) == applied_)) {
    repair_at_.reset();
    return;
  }
  if (seen == nullptr && std::exchange(was_seen_, false)) disown();
  if (repair_at_) return;
  repair_at_ = seams_.clock.now() + kRepairDelay;
  seams_.on_schedule();
}

void NodeStateApply::disown() {
  node_uid_.clear();
  body_ = wanted_;
}

std::optional<MonotonicTime> NodeStateApply::next_wake() const noexcept {
  return retry_at_ ? retry_at_ : repair_at_;
}

void NodeStateApply::wake() {
  const MonotonicTime now = seams_.clock.now();
  if ((retry_at_ && *retry_at_ <= now) || (repair_at_ && *repair_at_ <= now)) send();
}

void NodeStateApply::send() {
  retry_at_.reset();
  repair_at_.reset();
  sent_ = wanted_;
  rest::Request request;
  request.method = "PATCH";
  request.target = target_;
  request.content_type = "application/apply-patch+yaml";
  request.body = body_;
  request.time_limit = kCallLimit;
  call_ = seams_.client.send(std::move(request),
                             [this](Result<rest::Answer> answer) { on_answer(std::move(answer)); });
}

void NodeStateApply::on_answer(Result<rest::Answer> answer) {
  const std::unique_ptr<rest::Call> ended = std::move(call_);
  if (!answer) return on_refused({answer.error(), {}});
  if (answer->status / 100 != 2)
    return on_refused(kube::api_error("PATCH " + target_, std::move(*answer)));
  if (std::exchange(error_, std::nullopt))
    spdlog::info("component=status msg=\"the API server takes this node's NodeState again\"");
  backoff_.reset();
  applied_ = sent_;
  if (wanted_ != sent_) send();
}

void NodeStateApply::on_refused(kube::ApiError why) {
  if (!error_ || error_->reason != why.error.reason)
    spdlog::warn("component=status reason={} msg=\"NodeState is not applied, tried again: {}\"",
                 reason_name(why.error.reason), why.error.message());
  error_ = std::move(why.error);
  retry_at_ = seams_.clock.now() + backoff_.next(why.retry_after);
  seams_.on_schedule();
}

}  // namespace keelson::status
