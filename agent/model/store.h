// Store: owns the current Snapshot and decides which version of each object serves. It takes one
// file (or source key) at a time; a bad version keeps the last good one, a policy that never had a
// good one serves its denying stand-in, and of two definitions of one object the first accepted
// keeps serving. Deterministic: the same calls give the same snapshots. One thread (the agent's
// main); snapshots may be read anywhere. Does not parse, watch or write anything.
//
// What a change costs is what changed, however much is stored.
//
//   store.load_last_good(dir); store.put(decode_file(name, text)); store.forget(name);
//   store.publish(); store.snapshot(); store.findings(); store.last_good_copies();
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/decode.h"
#include "model/last_good.h"
#include "model/refused_routes.h"
#include "model/snapshot.h"

namespace keelson::model {

class Store {
 public:
  Store();

  // Takes a whole file, or forgets one: its objects go, and so do their last good versions.
  void put(DecodedFile file);
  void forget(const std::string& file);
  // Everything since the last call as one change. True when the snapshot changed: a new generation.
  // Unchanged content keeps the generation and the very snapshot object.
  bool publish();
  // One or the other, and publish().
  bool apply(DecodedFile file);
  bool remove(const std::string& file);

  std::shared_ptr<const Snapshot> snapshot() const noexcept { return snapshot_; }
  // What is wrong now, over all files; sorted by place.
  std::vector<Finding> findings() const;
  // The findings of files that hold something whose kind was never known, in no version: it may be
  // a policy that denies, and nothing stands in for it. What was known once is not among them.
  std::vector<Finding> unknown_content() const;

  const RefusedRoutes& refused_routes() const noexcept { return refused_routes_; }

  // Of the last good versions of policy objects and routes, for a LastGoodFolder to keep.
  Copies last_good_copies() const;
  // Before the first apply; a missing folder holds nothing. A copy serves only once a file that
  // names its object, or the file it came from, turns out to be bad. A copy that cannot be read is
  // reported and skipped.
  Result<void> load_last_good(const std::string& dir);

 private:
  struct Good {  // a version that was accepted
    AnyObject object;
    std::string text;
  };
  struct Claim {            // one file's definition of one object
    uint64_t accepted = 0;  // order, over all files, in which claims became able to serve
    SourceRef where;
    bool bad = false;       // the newest version in the file is bad, or the file is
    bool mentioned = true;  // false: kept only because the file is incomplete
    bool unnamed = false;   // the object's name is made up
    std::optional<Good> good;
    std::optional<AnyObject> fallback;  // serves when there is no good version

    bool can_serve() const noexcept { return good || fallback; }
    const AnyObject& serving() const noexcept { return good ? good->object : *fallback; }
  };
  struct File {
    std::map<ObjectKey, Claim> claims;
    std::vector<Finding> findings;
    bool known = false;  // some version, also one before the restart, told the kind of all it holds
  };
  struct Restored {
    std::string file;
    Good good;
  };
  // A claim that can serve; of several on one object the first accepted does. Both are in files_.
  struct Standing {
    const ObjectKey* key;
    const Claim* claim;  // null: before all claims on the key
  };
  struct ByKeyAndAge {
    bool operator()(const Standing& a, const Standing& b) const;
  };
  using Standings = std::set<Standing, ByKeyAndAge>;

  void add_claim(File& file, const File& before, DecodedObject decoded);
  void keep_unmentioned(const std::string& name, File& file, const File& before);
  void enter(const File& file);
  void withdraw(const File& file);
  bool is_restored(const std::string& file) const;
  void drop_restored(const std::string& file);
  bool holds_known_files(const std::string& folder) const;
  // From the first claim on the key on, which serves.
  Standings::const_iterator first_claim(const ObjectKey& key) const;
  bool elect(const ObjectKey& key, Snapshot& snapshot) const;
  void judge(const ObjectKey& key);
  void load_copy(const std::string& path);

  std::map<std::string, File> files_;
  std::set<std::string> unknown_;  // files that are not known
  Standings standings_;
  std::set<ObjectKey> touched_;  // since the last publish()
  std::map<ObjectKey, Restored> restored_;
  std::map<std::string, std::set<ObjectKey>> restored_in_;  // by file; may name some that are gone
  std::map<ObjectKey, std::vector<Finding>> owner_findings_;  // duplicates, kept, stand-ins
  std::vector<Finding> restore_findings_;
  RefusedRoutes refused_routes_;
  uint64_t next_claim_ = 1;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace keelson::model
