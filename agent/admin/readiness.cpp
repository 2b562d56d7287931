#include "admin/readiness.h"

#include <algorithm>
#include <utility>

namespace keelson::admin {

Readiness::Readiness(std::vector<std::string_view> names) {
  for (auto name : names) task(name).detail = "not done yet";
}

void Readiness::mark_done(std::string_view name) {
  ReadinessTask& entry = task(name);
  entry.done = true;
  entry.detail.clear();
}

void Readiness::mark_missing(std::string_view name, std::string detail) {
  ReadinessTask& entry = task(name);
  entry.done = false;
  entry.detail = std::move(detail);
}

void Readiness::mark_unknown_content(const std::vector<model::Finding>& unknown) {
  if (unknown.empty()) return mark_done(kTaskFilesKnown);
  const model::Finding& first = unknown.front();
  std::string detail = first.where.to_string() + ": " + first.message +
                       "; it was never readable and may hold a policy, which is not enforced; " +
                       first.fix;
  if (unknown.size() > 1) detail += " (and " + std::to_string(unknown.size() - 1) + " more)";
  mark_missing(kTaskFilesKnown, std::move(detail));
}

bool Readiness::is_ready() const noexcept {
  return std::all_of(tasks_.begin(), tasks_.end(), [](const auto& t) { return t.done; });
}

std::vector<ReadinessTask> Readiness::missing() const {
  std::vector<ReadinessTask> open;
  for (const auto& entry : tasks_)
    if (!entry.done) open.push_back(entry);
  return open;
}

ReadinessTask& Readiness::task(std::string_view name) {
  auto found = std::find_if(tasks_.begin(), tasks_.end(),
                            [&](const ReadinessTask& t) { return t.name == name; });
  if (found != tasks_.end()) return *found;
  return tasks_.emplace_back(ReadinessTask{std::string(name), false, {}});
}

}  // namespace keelson::admin
