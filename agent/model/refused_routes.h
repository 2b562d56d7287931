// RefusedRoutes: HTTPRoutes whose newest version is bad, and why: what serves of them, if anything,
// is an older version, and their status has to say so. One thread (the agent's main).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/decode.h"

namespace keelson::model {

struct RefusedVersion {
  ObjectKey key;
  int64_t generation = 0;
  std::vector<Finding> findings;
};

class RefusedRoutes {
 public:
  void note(const DecodedFile& file);  // in place of what was noted of it
  void forget(const std::string& file) { by_file_.erase(file); }
  std::vector<RefusedVersion> all() const;

 private:
  std::map<std::string, std::vector<RefusedVersion>> by_file_;
};

}  // namespace keelson::model
