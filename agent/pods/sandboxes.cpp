#include "pods/sandboxes.h"

namespace keelson::pods {
namespace {

// A minute apart: more than the longest time that an ADD may take.
constexpr int kMissesMax = 3;

}  // namespace

bool Sandboxes::attach(Sandbox sandbox) {
  detached_.erase(sandbox.id);
  Known& known = by_id_[sandbox.id];
  const bool changed = known.since == 0 || known.sandbox != sandbox;
  if (changed) known = {std::move(sandbox), ++moment_, false, 0};
  return changed;
}

bool Sandboxes::detach(const std::string& id) {
  detached_[id] = ++moment_;
  return by_id_.erase(id) != 0;
}

bool Sandboxes::keep_only(const std::set<std::string>& ids) {
  return std::erase_if(by_id_, [&](const auto& entry) { return !ids.contains(entry.first); }) != 0;
}

bool Sandboxes::merge(const std::vector<Sandbox>& listed, Moment began) {
  bool changed = false;
  std::set<std::string_view> ids;
  for (const Sandbox& sandbox : listed) {
    ids.insert(sandbox.id);
    const auto detached = detached_.find(sandbox.id);
    if (detached != detached_.end() && detached->second > began) continue;
    if (sandbox.netns_path.empty()) continue;
    const auto known = by_id_.find(sandbox.id);
    const bool is_known = known != by_id_.end() && known->second.sandbox.uid == sandbox.uid;
    if (!is_known) changed |= attach(sandbox);
    by_id_[sandbox.id].was_listed = true;
  }
  for (auto& [id, known] : by_id_)
    if (known.since <= began && !ids.contains(id))
      known.misses = known.was_listed ? kMissesMax : known.misses + 1;
  changed |= std::erase_if(
                 by_id_, [](const auto& entry) { return entry.second.misses >= kMissesMax; }) != 0;
  std::erase_if(detached_, [&](const auto& entry) { return entry.second <= began; });
  return changed;
}

const Sandbox* Sandboxes::of_pod(std::string_view uid) const {
  const Known* newest = nullptr;
  for (const auto& [id, known] : by_id_)
    if (known.sandbox.uid == uid && (newest == nullptr || newest->since < known.since))
      newest = &known;
  return newest == nullptr ? nullptr : &newest->sandbox;
}

const Sandbox* Sandboxes::find(std::string_view id) const {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? nullptr : &known->second.sandbox;
}

}  // namespace keelson::pods
