// Store: owns the current Snapshot and decides which version of each object serves. It takes one
// file (or source key) at a time; a bad version keeps the last good one, a policy that never had a
// good one serves its denying stand-in, and of two definitions of one object the first accepted
// keeps serving. Deterministic: the same calls give the same snapshots. One thread (the agent's
// main); snapshots may be read anywhere. Does not parse, watch or write anything but
// the last good copies.
//
//   store.load_last_good(dir); store.apply(decode_file(...)); store.snapshot(); store.findings();
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/decode.h"
#include "model/snapshot.h"

namespace keelson::model {

class Store {
 public:
  Store();

  // True when the snapshot changed (a new generation). Unchanged content keeps the generation and
  // the very snapshot object.
  bool apply(DecodedFile file);
  // The file is gone: its objects go, and so do their last good versions.
  bool remove(const std::string& file);

  std::shared_ptr<const Snapshot> snapshot() const noexcept { return snapshot_; }
  // What is wrong now, over all files; sorted by place.
  std::vector<Finding> findings() const;

  // Last good versions of policy objects, one file each in `dir` (created 0700, files 0600, written
  // by temporary file and rename; copies of objects that are gone are removed). save writes only
  // what differs from what it wrote before.
  Result<void> save_last_good(const std::string& dir);
  // Before the first apply. A copy serves only once a file that names its object, or the file it
  // came from, turns out to be bad. A copy that cannot be read is reported and skipped.
  Result<void> load_last_good(const std::string& dir);

 private:
  struct Good {  // a version that was accepted
    AnyObject object;
    std::string text;
  };
  struct Claim {            // one file's definition of one object
    uint64_t accepted = 0;  // order among the claims of all files
    SourceRef where;
    bool bad = false;       // the newest version in the file is bad, or the file is
    bool mentioned = true;  // false: kept only because the file is incomplete
    std::optional<Good> good;
    std::optional<AnyObject> fallback;
  };
  struct File {
    std::map<ObjectKey, Claim> claims;
    std::vector<Finding> findings;
  };
  struct Restored {
    std::string file;
    Good good;
  };

  void claim_object(const std::string& name, File& file, const File& before, DecodedObject object);
  void keep_unmentioned(const std::string& name, File& file, const File& before);
  bool rebuild();
  std::optional<Good> restored(const ObjectKey& key, const std::string& file) const;
  const Claim* owner_of(const ObjectKey& key, std::string* file) const;

  std::map<std::string, File> files_;
  std::map<ObjectKey, Restored> restored_;
  std::map<std::string, std::string> saved_;  // file name in the last good folder -> content
  std::vector<Finding> cross_findings_;       // duplicates and kept versions, over all files
  std::vector<Finding> restore_findings_;
  uint64_t next_claim_ = 1;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace keelson::model
