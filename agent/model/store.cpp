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

struct PlaceObject {
  Snapshot& snapshot;
  const ObjectKey& key;

  void operator()(const Shared<Namespace>& o) const { snapshot.namespaces[key] = o; }
  void operator()(const Shared<Node>& o) const { snapshot.nodes[key] = o; }
  void operator()(const Shared<Pod>& o) const { snapshot.pods[key] = o; }
  void operator()(const Shared<Service>& o) const { snapshot.services[key] = o; }
  void operator()(const Shared<EndpointSlice>& o) const { snapshot.endpoint_slices[key] = o; }
  void operator()(const Shared<ServiceAccount>& o) const { snapshot.service_accounts[key] = o; }
  void operator()(const Shared<AuthorizationPolicy>& o) const {
    snapshot.authorization_policies[key] = o;
  }
  void operator()(const Shared<PeerAuthentication>& o) const {
    snapshot.peer_authentications[key] = o;
  }
  void operator()(const Shared<HttpRoute>& o) const { snapshot.http_routes[key] = o; }
  void operator()(const Shared<NodeState>& o) const { snapshot.node_states[key] = o; }
};

bool same_objects(const Snapshot& a, const Snapshot& b) {
  return a.namespaces == b.namespaces && a.nodes == b.nodes && a.pods == b.pods &&
         a.services == b.services && a.endpoint_slices == b.endpoint_slices &&
         a.service_accounts == b.service_accounts &&
         a.authorization_policies == b.authorization_policies &&
         a.peer_authentications == b.peer_authentications && a.http_routes == b.http_routes &&
         a.node_states == b.node_states;
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

bool Store::apply(DecodedFile file) {
  std::vector<DecodedFile> files;
  files.push_back(std::move(file));
  return apply_batch(std::move(files), {});
}

bool Store::remove(const std::string& file) {
  return apply_batch({}, {file});
}

bool Store::apply_batch(std::vector<DecodedFile> files, const std::vector<std::string>& gone) {
  for (const std::string& name : gone) {
    refused_routes_.forget(name);
    files_.erase(name);
    std::erase_if(restored_, [&name](const auto& entry) { return entry.second.file == name; });
  }
  for (DecodedFile& file : files) apply_file(std::move(file));
  return publish(elect_owners());
}

void Store::apply_file(DecodedFile decoded) {
  refused_routes_.note(decoded);
  const std::string name = decoded.file;
  const File before = std::exchange(files_[name], {});
  File file;
  file.findings = std::move(decoded.findings);
  file.known = before.known || decoded.complete ||
               std::ranges::none_of(file.findings, is_of_unknown_kind) ||
               std::ranges::any_of(
                   restored_, [&name](const auto& entry) { return entry.second.file == name; });
  for (DecodedObject& object : decoded.objects) add_claim(file, before, std::move(object));
  if (!decoded.complete) keep_unmentioned(name, file, before);
  // What this file said before the restart is now either claimed or withdrawn.
  std::erase_if(restored_, [&name](const auto& entry) { return entry.second.file == name; });
  files_[name] = std::move(file);
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
  for (const auto& [key, copy] : restored_) {
    if (copy.file != name || file.claims.contains(key)) continue;
    Claim claim;
    claim.accepted = next_claim_++;
    claim.where = place_of(copy.good.object);
    claim.good = copy.good;
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

Store::Owners Store::elect_owners() {
  Owners owners;
  for (const auto& [name, file] : files_)
    for (const auto& [key, claim] : file.claims) {
      if (!claim.can_serve()) continue;
      const Claim*& owner = owners[key];
      if (owner == nullptr || claim.accepted < owner->accepted) owner = &claim;
    }
  owner_findings_.clear();
  for (const auto& [name, file] : files_)
    for (const auto& [key, claim] : file.claims) {
      const auto owner = owners.find(key);
      if (owner == owners.end()) continue;
      if (owner->second != &claim)
        owner_findings_.push_back(
            {Severity::kError, Reason::duplicate_object, claim.where, key.to_string(),
             "is already defined at " + owner->second->where.to_string() + ", which keeps serving",
             "remove one of the two"});
      else if (claim.bad && claim.good)
        owner_findings_.push_back(kept_finding(key, claim.where, claim.good->object));
      else if (claim.bad)
        owner_findings_.push_back(stand_in_finding(key, claim.where, *claim.fallback));
    }
  return owners;
}

bool Store::publish(const Owners& owners) {
  auto next = std::make_shared<Snapshot>();
  for (const auto& [key, claim] : owners) std::visit(PlaceObject{*next, key}, claim->serving());
  if (same_objects(*next, *snapshot_)) return false;
  next->generation = snapshot_->generation + 1;
  snapshot_ = std::move(next);
  return true;
}

std::vector<Finding> Store::findings() const {
  std::vector<Finding> all = restore_findings_;
  for (const auto& [name, file] : files_)
    all.insert(all.end(), file.findings.begin(), file.findings.end());
  all.insert(all.end(), owner_findings_.begin(), owner_findings_.end());
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
  for (const auto& [name, file] : files_) {
    if (file.known || holds_known_files(name)) continue;
    std::ranges::copy_if(file.findings, std::back_inserter(unknown), is_of_unknown_kind);
  }
  return unknown;
}

}  // namespace keelson::model
