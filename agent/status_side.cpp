#include "status_side.h"

#include <utility>

namespace keelson {

StatusSide::StatusSide(io::EventLoop& loop, const Clock& clock, std::string folder,
                       std::string node_name)
    : clock_(clock),
      node_name_(std::move(node_name)),
      random_(std::random_device{}()),
      file_(std::move(folder), node_name_),
      timer_(loop, [this] {
        if (apply_) apply_->wake();
        arm();
      }) {}

void StatusSide::use(rest::Client& client) {
  apply_.emplace(node_name_,
                 status::NodeStateApply::Seams{
                     client, clock_, [this] { return std::uniform_real_distribution<>()(random_); },
                     [this] { arm(); }});
}

void StatusSide::shut() {
  is_shut_ = true;
  apply_.reset();
  timer_.stop();
}

Result<bool> StatusSide::write(const model::NodeState& state) {
  if (is_shut_) return false;
  return apply_ ? apply_->write(state) : file_.write(state);
}

void StatusSide::compare(const model::Snapshot& snapshot) {
  if (!apply_) return;
  const auto own = snapshot.node_states.find({model::Kind::kNodeState, "", node_name_});
  apply_->on_seen(own == snapshot.node_states.end() ? nullptr : own->second.get());
}

std::optional<model::Finding> StatusSide::finding() const {
  if (!apply_ || !apply_->error()) return std::nullopt;
  const Error& error = *apply_->error();
  return model::Finding{
      model::Severity::kError,
      error.reason,
      {},
      "NodeState " + node_name_,
      "the other nodes do not learn of this node's pods: " + error.message(),
      "check that the NodeState CRD is installed and that the agent may patch it"};
}

void StatusSide::arm() {
  timer_.start_at(apply_ ? apply_->next_wake() : std::nullopt, clock_.now());
}

}  // namespace keelson
