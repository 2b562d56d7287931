// RootKeeper: keeps the CA's roots as root_rotation.h wants them: reads the store, takes a step if
// one is due, reads again. Several replicas may do so at once: a step is taken by whoever saves
// first, the others read the result. One thread; sets no timers: run() wants to be called every
// kReadInterval. Roots that could not be read again for kFreshFor are no longer used, because
// another replica may have switched meanwhile. An empty store makes a root only if no trace of an
// earlier one is left, and another root is taken only if the published bundle has it: a second root
// beside lost ones would split the mesh.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ca/root_rotation.h"
#include "ca/seams.h"

namespace keelson::ca {

class RootKeeper {
 public:
  static constexpr std::chrono::seconds kReadInterval{30};
  static constexpr std::chrono::seconds kFreshFor{600};

  struct Options {
    RootRules rules;
    RotationTimes times;
  };
  // `store` and `clock` outlive the keeper.
  RootKeeper(Options options, RootStore& store, const Clock& clock);

  // Reads and does what is due. Does nothing while an earlier run still waits for the store.
  void run();

  // Null: none yet, or not read for too long.
  const RootSet* usable() const noexcept;
  // As last read, also when stale. Empty before the first root.
  const RootSet& roots() const noexcept { return roots_; }
  const std::optional<Error>& last_error() const noexcept { return last_error_; }
  uint64_t steps_total() const noexcept { return steps_total_; }
  uint64_t failures_total() const noexcept { return failures_total_; }

 private:
  void load();
  void on_loaded(StoredRoots stored);
  bool is_replaced(const RootSet& by, const std::string& bundle) const;
  Result<RotationStep> choose_step(const StoredRoots& stored) const;
  void take(RotationStep step, const StoredRoots& stored);
  void on_step(Result<void> result);
  void end(std::optional<Error> error);

  const Options options_;
  RootStore& store_;
  const Clock& clock_;
  RootSet roots_;
  std::optional<MonotonicTime> read_at_;
  bool is_running_ = false;
  int steps_left_ = 0;  // of this run
  std::optional<Error> last_error_;
  uint64_t steps_total_ = 0;
  uint64_t failures_total_ = 0;
  std::shared_ptr<RootKeeper*> self_;  // answers in flight find nobody afterwards
};

}  // namespace keelson::ca
