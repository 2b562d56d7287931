#include "pods/sandboxes.h"

#include <utility>

namespace keelson::pods {
namespace {

// A minute apart: more than the longest time that an ADD may take.
constexpr int kMissesMax = 3;

}  // namespace

bool Sandboxes::attach(Sandbox sandbox) {
  bool changed = !sandbox.is_guessed && drop_guess(sandbox.uid);
  detached_.erase(sandbox.id);
  Known& known = by_id_[sandbox.id];
  if (known.since == 0 || known.sandbox != sandbox) {
    known = {std::move(sandbox), ++moment_, false, 0};
    changed = true;
  }
  return changed;
}

bool Sandboxes::detach(const std::string& id, const std::string& uid) {
  detached_[id] = ++moment_;
  if (!uid.empty()) detached_[uid] = moment_;
  const bool guess_went = drop_guess(uid);
  return by_id_.erase(id) != 0 || guess_went;
}

bool Sandboxes::keep_only(const std::set<std::string>& ids) {
  ++moment_;
  return std::erase_if(by_id_, [&](const auto& entry) {
           const Sandbox& sandbox = entry.second.sandbox;
           if (sandbox.is_guessed || ids.contains(sandbox.id)) return false;
           detached_[sandbox.id] = moment_;
           detached_[sandbox.uid] = moment_;
           return true;
         }) != 0;
}

bool Sandboxes::merge(const std::vector<Sandbox>& listed, Moment began) {
  bool changed = false;
  std::set<std::string, std::less<>> ids;
  for (const Sandbox& sandbox : listed) {
    const Sandbox* of_same = sandbox.is_guessed ? of_pod(sandbox.uid) : nullptr;
    if (of_same != nullptr && !of_same->is_guessed) {
      ids.insert(of_same->id);
      Known& told = by_id_.find(of_same->id)->second;
      told.was_listed |= told.since <= began;  // else what was found may be its predecessor
      continue;
    }
    ids.insert(sandbox.id);
    if (ended_after(sandbox, began)) continue;
    const auto known = by_id_.find(sandbox.id);
    const bool is_known = known != by_id_.end() && known->second.sandbox.uid == sandbox.uid;
    const bool finds_path =
        is_known && known->second.sandbox.netns_path.empty() && !sandbox.netns_path.empty();
    if (!is_known || finds_path) changed |= attach(sandbox);
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

bool Sandboxes::drop_guess(std::string_view uid) {
  return std::erase_if(by_id_, [&](const auto& entry) {
           return entry.second.sandbox.is_guessed && entry.second.sandbox.uid == uid;
         }) != 0;
}

bool Sandboxes::ended_after(const Sandbox& sandbox, Moment began) const {
  const auto detached = detached_.find(sandbox.is_guessed ? sandbox.uid : sandbox.id);
  return detached != detached_.end() && detached->second > began;
}

const Sandbox* Sandboxes::of_pod(std::string_view uid) const {
  // One whose shim hangs may have a successor, and be listed after it was told.
  const auto rank = [](const Known& known) {
    return std::pair(!known.sandbox.netns_path.empty(), known.since);
  };
  const Known* newest = nullptr;
  for (const auto& [id, known] : by_id_)
    if (known.sandbox.uid == uid && (newest == nullptr || rank(*newest) < rank(known)))
      newest = &known;
  return newest == nullptr ? nullptr : &newest->sandbox;
}

const Sandbox* Sandboxes::find(std::string_view id) const {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? nullptr : &known->second.sandbox;
}

}  // namespace keelson::pods
