// Store: owns the current Snapshot and decides which version of each object serves. It takes one
// file (or source key) at a time; a bad version keeps the last good one, a policy that never had a
// good one serves its denying stand-in, and of two definitions of one object the first accepted
// keeps serving. Deterministic: the same calls give the same snapshots. One thread (the agent's
// main); snapshots may be read anywhere. Does not parse, watch or write anything.
//
//   store.load_last_good(dir); store.apply_batch({decode_file(name, text)...}, {});
//   store.snapshot(); store.findings(); store.last_good_copies();
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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

  // Applies whole files and forgets those in `gone` (their objects go, and so do their last good
  // versions), as one change. True when the snapshot changed: a new generation. Unchanged content
  // keeps the generation and the very snapshot object.
  bool apply_batch(std::vector<DecodedFile> files, const std::vector<std::string>& gone);
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
  Copies last_good_copies();
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
  using Owners = std::map<ObjectKey, const Claim*>;  // the claim that serves

  void apply_file(DecodedFile decoded);
  void add_claim(File& file, const File& before, DecodedObject decoded);
  void keep_unmentioned(const std::string& name, File& file, const File& before);
  bool holds_known_files(const std::string& folder) const;
  Owners elect_owners();
  bool publish(const Owners& owners);
  void load_copy(const std::string& path);

  std::map<std::string, File> files_;
  std::map<ObjectKey, Restored> restored_;
  std::vector<Finding> owner_findings_;  // duplicates, kept versions and stand-ins
  std::vector<Finding> restore_findings_;
  RefusedRoutes refused_routes_;
  uint64_t next_claim_ = 1;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace keelson::model
