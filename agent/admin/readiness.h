// Readiness: the named start-up tasks that must be done before /readyz says yes. A task may become
// undone again (hold went away). Wrong objects are findings: shown beside the answer, but they do
// not make the agent unready, because every other object keeps being served and taking the node
// out would help nobody. The exception is a file that nobody ever could read: it may hold a policy
// that denies, and nothing stands in for it. Agent loop only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/finding.h"

namespace keelson::admin {

// The agent's tasks; more may be added by name.
inline constexpr std::string_view kTaskSourceRead = "source_read";
inline constexpr std::string_view kTaskKernelAttached = "kernel_attached";
inline constexpr std::string_view kTaskFirstRollout = "first_rollout";
inline constexpr std::string_view kTaskHoldConnected = "hold_connected";
inline constexpr std::string_view kTaskFilesKnown = "files_known";
inline constexpr std::string_view kTaskCniChained = "cni_chained";  // where a CNI folder is kept

struct ReadinessTask {
  std::string name;
  bool done = false;
  std::string detail;  // why it is not done, or what undid it
};

class Readiness {
 public:
  explicit Readiness(std::vector<std::string_view> names);
  // A name that was not declared is added, so that a typo shows up as a task of its own.
  void mark_done(std::string_view name);
  void mark_missing(std::string_view name, std::string detail);

  // Store::unknown_content(): kTaskFilesKnown with file, line and fix of the first, or done.
  void mark_unknown_content(const std::vector<model::Finding>& unknown);

  bool is_ready() const noexcept;
  const std::vector<ReadinessTask>& tasks() const noexcept { return tasks_; }
  std::vector<ReadinessTask> missing() const;

 private:
  ReadinessTask& task(std::string_view name);
  std::vector<ReadinessTask> tasks_;
};

}  // namespace keelson::admin
