#include "compile/identity_book.h"

#include <algorithm>

#include "compile/ids.h"
#include "compile/name_table.h"

namespace keelson::compile {
namespace {

std::string entry_name(const std::string& ns, const std::string& account) {
  return ns + "/" + account;  // no namespace has a slash in its name
}

}  // namespace

bool IdentityBook::update(const model::Snapshot& before, const model::Snapshot& now) {
  using PodMap = model::ObjectMap<model::Pod>;
  using StateMap = model::ObjectMap<model::NodeState>;
  is_changed_ = false;
  // What comes first, so that what stays does not come and go.
  PodMap::differences(before.pods, now.pods, [&](const auto& key, const auto*, const auto* is) {
    if (is != nullptr) enter(key.ns, (*is)->service_account);
  });
  StateMap::differences(before.node_states, now.node_states,
                        [&](const auto&, const auto*, const auto* is) {
                          if (is == nullptr) return;
                          for (const auto& pod : (*is)->pods) enter(pod.ns, pod.service_account);
                        });
  PodMap::differences(before.pods, now.pods, [&](const auto& key, const auto* was, const auto*) {
    if (was != nullptr) leave(key.ns, (*was)->service_account);
  });
  StateMap::differences(before.node_states, now.node_states,
                        [&](const auto&, const auto* was, const auto*) {
                          if (was == nullptr) return;
                          for (const auto& pod : (*was)->pods) leave(pod.ns, pod.service_account);
                        });
  if (is_changed_) list();
  return is_changed_;
}

uint64_t IdentityBook::id_of(const std::string& ns, const std::string& account) const {
  const auto entry = entries_.find(entry_name(ns, account));
  if (entry != entries_.end()) return entry->second.id;
  return identity_id(identity_name(trust_domain_, ns, account));
}

void IdentityBook::enter(const std::string& ns, const std::string& account) {
  const auto [at, is_new] = entries_.try_emplace(entry_name(ns, account));
  Entry& entry = at->second;
  ++entry.pods;
  if (!is_new) return;
  entry.peer = {Peer::Kind::kNamed, identity_name(trust_domain_, ns, account), ns, account};
  entry.id = identity_id(entry.peer.principal);
  names_.emplace(entry.id, entry.peer.principal);
  is_changed_ = true;
}

void IdentityBook::leave(const std::string& ns, const std::string& account) {
  const auto at = entries_.find(entry_name(ns, account));
  if (--at->second.pods != 0) return;
  const auto name = names_.find(at->second.id);
  if (name != names_.end() && name->second == at->second.peer.principal)
    names_.erase(at->second.id);
  entries_.erase(at);
  is_changed_ = true;
}

void IdentityBook::list() {
  known_.clear();
  known_.reserve(entries_.size());
  findings_.clear();
  for (const auto& [name, entry] : entries_) {
    known_.push_back(entry.peer);
    add_name(names_, entry.id, entry.peer.principal, findings_);
  }
  std::ranges::sort(known_, {}, &Peer::principal);
}

}  // namespace keelson::compile
