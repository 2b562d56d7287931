#include "status/mesh_events.h"

#include <algorithm>
#include <utility>

namespace keelson::status {
namespace {

constexpr std::chrono::seconds kRefusalDelay{30};

Event event_of(const SeenPod& pod, bool is_warning, std::string reason, std::string action,
               std::string note) {
  return {{model::Kind::kPod, pod.ns, pod.name},
          pod.uid,
          is_warning,
          std::move(reason),
          std::move(action),
          std::move(note)};
}

}  // namespace

std::vector<Event> PodEvents::look(const std::vector<SeenPod>& pods, MonotonicTime now) {
  std::vector<Event> events;
  std::map<std::string, Memory> seen;
  next_look_.reset();
  for (const SeenPod& pod : pods) {
    const auto before = memories_.find(pod.uid);
    Memory memory = before != memories_.end() ? before->second : Memory{};
    if (before == memories_.end()) memory.is_ready = known_.contains(pod.uid);
    look_at(pod, memory, now, events);
    seen.insert_or_assign(pod.uid, std::move(memory));
  }
  known_.clear();
  memories_ = std::move(seen);
  return events;
}

void PodEvents::look_at(const SeenPod& pod, Memory& memory, MonotonicTime now,
                        std::vector<Event>& events) {
  using State = SeenPod::State;
  if (pod.state == State::kReady && !std::exchange(memory.is_ready, true))
    events.push_back(event_of(pod, false, "MeshJoined", "Enrol", "the pod is in the mesh"));
  if (pod.state == State::kLeaving && std::exchange(memory.is_ready, false))
    events.push_back(event_of(pod, false, "MeshLeft", "Unenrol", "the pod leaves the mesh"));
  if (pod.repairs > memory.repairs)
    events.push_back(event_of(pod, true, "MeshRepaired", "Repair",
                              "hooks or listeners of the pod were missing and are back in place"));
  memory.repairs = pod.repairs;
  if (pod.state != State::kRefused) {
    memory.refused_since.reset();
    memory.told_refusal.clear();
    return;
  }
  memory.is_ready = false;
  const MonotonicTime since = memory.refused_since.value_or(now);
  memory.refused_since = since;
  std::string note = std::string(reason_name(pod.reason)) + ": " + pod.detail;
  if (now - since < kRefusalDelay) {
    const MonotonicTime due = since + kRefusalDelay;
    next_look_ = next_look_ ? std::min(*next_look_, due) : due;
  } else if (std::exchange(memory.told_refusal, note) != note) {
    events.push_back(event_of(pod, true, "MeshRefused", "Enrol", std::move(note)));
  }
}

std::vector<Event> NamespaceEvents::look(const model::Snapshot& snapshot) {
  std::vector<Event> events;
  std::map<std::string, bool> now;
  for (const auto& [key, ns] : snapshot.namespaces) {
    const bool is_meshed = model::is_meshed(*ns);
    now.emplace(key.name, is_meshed);
    const auto before = meshed_.find(key.name);
    const bool was_meshed = before != meshed_.end() && before->second;
    if (!has_looked_ || is_meshed == was_meshed) continue;
    const std::string label = std::string(model::kMeshLabel) + "=enabled";
    events.push_back({key, ns->meta.uid, false, is_meshed ? "MeshEnabled" : "MeshDisabled",
                      is_meshed ? "Enrol" : "Unenrol",
                      is_meshed ? "has the label " + label + ": its pods join the mesh as they are"
                                : "has no label " + label + " any more: its pods leave the mesh"});
  }
  has_looked_ = true;
  meshed_ = std::move(now);
  return events;
}

}  // namespace keelson::status
