// mesh_events: which events follow from what is seen of pods and namespaces, from one look to the
// next. A pod's: joined, left, refused (once it has stood for half a minute: a pod that starts
// lacks this and that for a moment), repaired. A namespace's: enabled, disabled. What was so before
// the first look is no event. Pure but for its memory; agent loop only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/snapshot.h"
#include "status/event.h"

namespace keelson::status {

struct SeenPod {
  enum class State { kJoining, kReady, kLeaving, kRefused };
  std::string ns, name, uid;
  State state = State::kJoining;
  Reason reason = Reason::none;  // of a refusal
  std::string detail;
  uint64_t repairs = 0;  // since it was enrolled
};

class PodEvents {
 public:
  // `known`: uids of pods that an earlier agent had in the mesh: they do not join.
  void start(std::set<std::string> known) { known_ = std::move(known); }
  // All pods of this node that are in the mesh, or should be.
  std::vector<Event> look(const std::vector<SeenPod>& pods, MonotonicTime now);
  // When a look would tell something without a change.
  std::optional<MonotonicTime> next_look() const noexcept { return next_look_; }

 private:
  struct Memory {
    bool is_ready = false;
    uint64_t repairs = 0;
    std::optional<MonotonicTime> refused_since;
    std::string told_refusal;
  };
  void look_at(const SeenPod& pod, Memory& memory, MonotonicTime now, std::vector<Event>& events);

  std::set<std::string> known_;
  std::map<std::string, Memory> memories_;  // by uid
  std::optional<MonotonicTime> next_look_;
};

class NamespaceEvents {
 public:
  std::vector<Event> look(const model::Snapshot& snapshot);

 private:
  bool has_looked_ = false;
  std::map<std::string, bool> meshed_;  // by name
};

}  // namespace keelson::status
