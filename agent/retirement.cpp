#include "retirement.h"

#include <utility>

namespace keelson {
namespace {

std::shared_ptr<model::Snapshot> unpoliced(const model::Snapshot& snapshot) {
  auto open = std::make_shared<model::Snapshot>(snapshot);
  open->authorization_policies = {};
  open->peer_authentications = {};
  return open;
}

}  // namespace

std::string uninstalled_daemon_set(const model::Snapshot& snapshot, const std::string& pod_uid) {
  if (pod_uid.empty()) return {};
  for (const auto& [key, pod] : snapshot.pods) {
    if (pod->meta.uid != pod_uid) continue;
    const auto account = snapshot.service_accounts.find(
        {model::Kind::kServiceAccount, key.ns, pod->service_account});
    if (account == snapshot.service_accounts.end() || pod->controller_uid.empty()) return {};
    const auto& annotations = account->second->meta.annotations;
    const auto asked = annotations.find(std::string(model::kUninstallAnnotation));
    const bool is_meant = asked != annotations.end() && asked->second == pod->controller_uid;
    return is_meant ? pod->controller_uid : std::string();
  }
  return {};
}

std::shared_ptr<const model::Snapshot> without_policies(const model::Snapshot& snapshot) {
  return unpoliced(snapshot);
}

// A pod without a label of its own is meshed by its namespace's.
std::shared_ptr<const model::Snapshot> without_members(const model::Snapshot& snapshot) {
  auto nobody = unpoliced(snapshot);
  for (const auto& [key, pod] : snapshot.pods) {
    auto out = std::make_shared<model::Pod>(*pod);
    out->meta.labels[std::string(model::kMeshLabel)] = "disabled";
    nobody->pods.insert_or_assign(key, std::move(out));
  }
  return nobody;
}

void Retirement::look(std::shared_ptr<const model::Snapshot> snapshot) {
  if (is_cleared()) return;
  const Phase before = phase_;
  if (phase_ == Phase::kServing) {
    daemon_set_ = uninstalled_daemon_set(*snapshot, pod_uid_);
    if (!daemon_set_.empty()) {
      asked_at_ = clock_.now();
      // An agent that starts now takes nobody in: its pods are out, or an earlier agent's.
      phase_ = view_ ? Phase::kOpening : Phase::kLeaving;
    }
  } else if (clock_.now() >= asked_at_ + kOpenTime) {
    phase_ = Phase::kLeaving;
  }
  if (view_ && phase_ == before && snapshot == seen_) return;  // compiled already
  seen_ = std::move(snapshot);
  view_ = phase_ == Phase::kServing   ? seen_
          : phase_ == Phase::kOpening ? without_policies(*seen_)
                                      : without_members(*seen_);
}

bool Retirement::may_clear(bool is_out) const noexcept {
  return phase_ == Phase::kLeaving && (is_out || clock_.now() >= asked_at_ + kPatience);
}

std::optional<MonotonicTime> Retirement::next_look() const noexcept {
  switch (phase_) {
    case Phase::kOpening:
      return asked_at_ + kOpenTime;
    case Phase::kLeaving:
      return asked_at_ + kPatience;
    case Phase::kServing:
    case Phase::kCleared:
      break;
  }
  return std::nullopt;
}

}  // namespace keelson
