#include "model/store.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace keelson::model {
namespace {

// Keeps the old object where the new one says the same, so that pointers tell what changed.
AnyObject unless_same(AnyObject fresh, const AnyObject* old) {
  return old != nullptr && same_content(fresh, *old) ? *old : fresh;
}

// act(the snapshot's objects of the kind)
template <class Act>
bool on_objects(Snapshot& snapshot, Kind kind, Act act) {
  switch (kind) {
    case Kind::kNamespace:
      return act(snapshot.namespaces);
    case Kind::kNode:
      return act(snapshot.nodes);
    case Kind::kPod:
      return act(snapshot.pods);
    case Kind::kService:
      return act(snapshot.services);
    case Kind::kEndpointSlice:
      return act(snapshot.endpoint_slices);
    case Kind::kServiceAccount:
      return act(snapshot.service_accounts);
    case Kind::kAuthorizationPolicy:
      return act(snapshot.authorization_policies);
    case Kind::kPeerAuthentication:
      return act(snapshot.peer_authentications);
    case Kind::kHttpRoute:
      return act(snapshot.http_routes);
    case Kind::kReferenceGrant:
      return act(snapshot.reference_grants);
    case Kind::kNodeState:
      return act(snapshot.node_states);
  }
  return false;
}

// Each true when something changed.
bool place(Snapshot& snapshot, const ObjectKey& key, const AnyObject& object) {
  return on_objects(snapshot, key.kind, [&]<class T>(SharedMap<ObjectKey, Shared<T>>& objects) {
    return objects.insert_or_assign(key, std::get<Shared<T>>(object));
  });
}
bool displace(Snapshot& snapshot, const ObjectKey& key) {
  return on_objects(snapshot, key.kind, [&](auto& objects) { return objects.erase(key) != 0; });
}

const SourceRef& place_of(const AnyObject& object) {
  return std::visit([](const auto& o) -> const SourceRef& { return o->meta.where; }, object);
}

// An object whose kind could be read is named in its findings.
bool is_of_unknown_kind(const Finding& finding) {
  return finding.severity == Severity::kError && finding.object.empty();
}

Finding kept_finding(const ObjectKey& key, const SourceRef& where, const AnyObject& good) {
  return {Severity::kWarning,
          Reason::last_good_kept,
          where,
          key.to_string(),
          "its last good version keeps serving (read from " + place_of(good).to_string() + ")",
          "mend the file; to give the object up, remove it from a file that can be read"};
}

Finding stand_in_finding(const ObjectKey& key, const SourceRef& where, const AnyObject& fallback) {
  const auto* policy = std::get_if<Shared<AuthorizationPolicy>>(&fallback);
  const bool selects = policy != nullptr
                           ? (*policy)->selector.has_value()
                           : std::get<Shared<PeerAuthentication>>(fallback)->selector.has_value();
  const std::string scope =
      selects ? "the pods it selects" : "every pod of namespace '" + key.ns + "'";
  return {Severity::kError,
          Reason::policy_unreadable_denies,
          where,
          key.to_string(),
          policy != nullptr ? "there is no good version yet: all traffic to " + scope + " is denied"
                            : "there is no good version yet: " + scope + " accept only mTLS",
          "mend it, or remove it"};
}

}  // namespace

Store::Store() : snapshot_(std::make_shared<Snapshot>()) {}

bool Store::ByKeyAndAge::operator()(const Standing& a, const Standing& b) const {
  const auto age = [](const Standing& one) {
    return one.claim == nullptr ? 0 : one.claim->accepted;
  };
  const auto order = *a.key <=> *b.key;
  return order != 0 ? order < 0 : age(a) < age(b);
}

bool Store::apply(DecodedFile file) {
  put(std::move(file));
  return publish();
}

bool Store::remove(const std::string& file) {
  forget(file);
  return publish();
}

void Store::forget(const std::string& name) {
  refused_routes_.forget(name);
  drop_restored(name);
  unknown_.erase(name);
  const auto file = files_.find(name);
  if (file == files_.end()) return;
  withdraw(file->second);
  files_.erase(file);
}

void Store::put(DecodedFile decoded) {
  refused_routes_.note(decoded);
  const std::string name = decoded.file;
  File& place = files_[name];
  withdraw(place);
  const File before = std::exchange(place, {});
  File file;
  file.findings = std::move(decoded.findings);
  file.known = before.known || decoded.complete ||
               std::ranges::none_of(file.findings, is_of_unknown_kind) || is_restored(name);
  for (DecodedObject& object : decoded.objects) add_claim(file, before, std::move(object));
  if (!decoded.complete) keep_unmentioned(name, file, before);
  drop_restored(name);  // what it said before the restart is now either claimed or withdrawn
  if (file.known)
    unknown_.erase(name);
  else
    unknown_.insert(name);
  place = std::move(file);
  enter(place);
}

void Store::enter(const File& file) {
  for (const auto& [key, claim] : file.claims) {
    touched_.insert(key);
    if (claim.can_serve()) standings_.insert({&key, &claim});
  }
}

void Store::withdraw(const File& file) {
  for (const auto& [key, claim] : file.claims) {
    touched_.insert(key);
    if (claim.can_serve()) standings_.erase({&key, &claim});
  }
}

bool Store::is_restored(const std::string& file) const {
  const auto keys = restored_in_.find(file);
  return keys != restored_in_.end() && std::ranges::any_of(keys->second, [&](const ObjectKey& key) {
           const auto copy = restored_.find(key);
           return copy != restored_.end() && copy->second.file == file;
         });
}

void Store::drop_restored(const std::string& file) {
  const auto keys = restored_in_.find(file);
  if (keys == restored_in_.end()) return;
  for (const ObjectKey& key : keys->second)
    if (const auto copy = restored_.find(key); copy != restored_.end() && copy->second.file == file)
      restored_.erase(copy);
  restored_in_.erase(keys);
}

void Store::add_claim(File& file, const File& before, DecodedObject decoded) {
  if (const auto first = file.claims.find(decoded.key); first != file.claims.end()) {
    file.findings.push_back(
        {Severity::kError, Reason::duplicate_object, decoded.where, decoded.key.to_string(),
         "is already defined at " + first->second.where.to_string() + ", which serves",
         "remove one of the two"});
    return;
  }
  const auto old = before.claims.find(decoded.key);
  const Claim* prior = old == before.claims.end() ? nullptr : &old->second;
  Claim claim;
  claim.where = decoded.where;
  claim.bad = !decoded.object;
  claim.unnamed = decoded.unnamed;
  if (decoded.object) {
    const AnyObject* same = prior != nullptr && prior->good ? &prior->good->object : nullptr;
    claim.good = Good{unless_same(std::move(*decoded.object), same), std::move(decoded.text)};
    restored_.erase(decoded.key);
  } else {
    if (prior != nullptr) claim.good = prior->good;
    const auto copy = restored_.find(decoded.key);
    if (!claim.good && copy != restored_.end()) claim.good = copy->second.good;
    if (decoded.fallback)
      claim.fallback =
          unless_same(std::move(*decoded.fallback),
                      prior != nullptr && prior->fallback ? &*prior->fallback : nullptr);
  }
  claim.accepted = prior != nullptr && prior->can_serve() ? prior->accepted : next_claim_++;
  file.claims.emplace(std::move(decoded.key), std::move(claim));
}

// A part of the file cannot be read, so what is missing may still be meant to exist.
void Store::keep_unmentioned(const std::string& name, File& file, const File& before) {
  std::map<Kind, size_t> kept;
  const auto keep = [&](const ObjectKey& key, Claim claim) {
    if (claim.unnamed || !claim.can_serve() || file.claims.contains(key)) return;
    claim.bad = true;
    claim.mentioned = false;
    if (claim.good) ++kept[key.kind];
    file.claims.emplace(key, std::move(claim));
  };
  for (const auto& [key, claim] : before.claims) keep(key, claim);
  if (const auto copies = restored_in_.find(name); copies != restored_in_.end())
    for (const ObjectKey& key : copies->second) {
      const auto copy = restored_.find(key);
      if (copy == restored_.end() || copy->second.file != name || file.claims.contains(key))
        continue;
      Claim claim;
      claim.accepted = next_claim_++;
      claim.where = place_of(copy->second.good.object);
      claim.good = copy->second.good;
      keep(key, std::move(claim));
    }
  // An unnamed policy is most likely one of the kept ones in a broken version: its last good
  // version serves, and a stand-in beside it would deny the namespace for a slip of the pen.
  std::erase_if(file.claims, [&kept](const auto& entry) {
    size_t& spare = kept[entry.first.kind];
    if (!entry.second.unnamed || spare == 0) return false;
    --spare;
    return true;
  });
}

Store::Standings::const_iterator Store::first_claim(const ObjectKey& key) const {
  return standings_.lower_bound({&key, nullptr});
}

bool Store::elect(const ObjectKey& key, Snapshot& snapshot) const {
  const auto owner = first_claim(key);
  if (owner == standings_.end() || *owner->key != key) return displace(snapshot, key);
  return place(snapshot, key, owner->claim->serving());
}

// What is to be said about the claims on an object.
void Store::judge(const ObjectKey& key) {
  std::vector<Finding> findings;
  const auto first = first_claim(key);
  for (auto at = first; at != standings_.end() && *at->key == key; ++at) {
    const Claim& claim = *at->claim;
    if (at != first)
      findings.push_back(
          {Severity::kError, Reason::duplicate_object, claim.where, key.to_string(),
           "is already defined at " + first->claim->where.to_string() + ", which keeps serving",
           "remove one of the two"});
    else if (claim.bad && claim.good)
      findings.push_back(kept_finding(key, claim.where, claim.good->object));
    else if (claim.bad)
      findings.push_back(stand_in_finding(key, claim.where, *claim.fallback));
  }
  if (findings.empty())
    owner_findings_.erase(key);
  else
    owner_findings_[key] = std::move(findings);
}

bool Store::publish() {
  auto next = std::make_shared<Snapshot>(*snapshot_);
  bool changed = false;
  for (const ObjectKey& key : std::exchange(touched_, {})) {
    changed |= elect(key, *next);
    judge(key);
  }
  if (!changed) return false;
  ++next->generation;
  snapshot_ = std::move(next);
  return true;
}

std::vector<Finding> Store::findings() const {
  std::vector<Finding> all = restore_findings_;
  for (const auto& [name, file] : files_)
    all.insert(all.end(), file.findings.begin(), file.findings.end());
  for (const auto& [key, findings] : owner_findings_)
    all.insert(all.end(), findings.begin(), findings.end());
  std::ranges::sort(all, [](const Finding& a, const Finding& b) {
    return std::tie(a.where, a.severity, a.reason, a.object, a.message) <
           std::tie(b.where, b.severity, b.reason, b.object, b.message);
  });
  return all;
}

// A folder that cannot be read comes as a file of that name, and its files stay as they were.
bool Store::holds_known_files(const std::string& folder) const {
  const auto first = files_.lower_bound(folder + "/");
  return first != files_.end() && first->first.starts_with(folder + "/");
}

std::vector<Finding> Store::unknown_content() const {
  std::vector<Finding> unknown;
  for (const std::string& name : unknown_)
    if (!holds_known_files(name))
      std::ranges::copy_if(files_.at(name).findings, std::back_inserter(unknown),
                           is_of_unknown_kind);
  return unknown;
}

}  // namespace keelson::model
