#include "status_side.h"

#include <spdlog/spdlog.h>

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
        if (reports_) reports_->wake();
        arm();
      }) {}

void StatusSide::use(rest::Client& client, const std::string& node_uid, const std::string& ns,
                     std::function<status::ReportView()> view) {
  const auto random = [this] { return std::uniform_real_distribution<>()(random_); };
  const auto schedule = [this] { arm(); };
  apply_.emplace(node_name_, node_uid,
                 status::NodeStateApply::Seams{client, clock_, random, schedule});
  reports_.emplace(node_name_, ns,
                   status::Reports::Seams{client, clock_, random, std::move(view), schedule});
}

void StatusSide::shut() {
  is_shut_ = true;
  apply_.reset();
  reports_.reset();
  timer_.stop();
}

Result<bool> StatusSide::write(const model::NodeState& state) {
  if (is_shut_) return false;
  return apply_ ? apply_->write(state) : file_.write(state);
}

void StatusSide::retire(const std::string& daemon_set) {
  model::NodeState state;
  state.meta.key = {model::Kind::kNodeState, "", node_name_};
  state.retired = daemon_set;
  if (auto written = write(state); !written)
    spdlog::error("component=status reason={} msg=\"{}\"", reason_name(written.error().reason),
                  written.error().message());
}

void StatusSide::compare(const model::Snapshot& snapshot) {
  if (!apply_) return;
  const auto own = snapshot.node_states.find({model::Kind::kNodeState, "", node_name_});
  const model::NodeState* seen = own == snapshot.node_states.end() ? nullptr : own->second.get();
  apply_->on_seen(seen);
  reports_->start(seen);
}

void StatusSide::note_change() {
  if (reports_) reports_->note_change();
}

admin::ReportCounters StatusSide::counters() const {
  if (!reports_) return {};
  return {reports_->is_leader(), reports_->route_statuses_written(), reports_->events_written(),
          reports_->events_dropped()};
}

std::vector<model::Finding> StatusSide::findings() const {
  std::vector<model::Finding> findings;
  if (apply_ && apply_->error()) {
    const Error& error = *apply_->error();
    findings.push_back(
        {model::Severity::kError,
         error.reason,
         {},
         "NodeState " + node_name_,
         "the other nodes do not learn of this node's pods: " + error.message(),
         "check that the NodeState CRD is installed and that the agent may patch it"});
  }
  if (reports_)
    for (model::Finding& finding : reports_->findings()) findings.push_back(std::move(finding));
  return findings;
}

void StatusSide::arm() {
  std::optional<MonotonicTime> next = apply_ ? apply_->next_wake() : std::nullopt;
  const auto report = reports_ ? reports_->next_wake() : std::nullopt;
  if (report && (!next || *report < *next)) next = report;
  timer_.start_at(next, clock_.now());
}

}  // namespace keelson
