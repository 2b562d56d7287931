// Last good copies: what a bad version of an object is replaced by after a restart of the agent.
// One file an object in a folder of the agent's own. Blocking; the folder belongs to one thread at
// a time.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/result.h"

namespace keelson::model {

using Copies = std::map<std::string, std::string>;  // file name -> content

class LastGoodFolder {
 public:
  explicit LastGoodFolder(std::string dir) : dir_(std::move(dir)) {}

  // Makes the folder (0700) hold `wanted` and nothing else (files 0600). Writes only what differs;
  // all new content is on the disk before any of it replaces an older copy. Error: io_error.
  Result<void> save(const Copies& wanted);

 private:
  Result<std::set<std::string>> write_changed(const Copies& wanted,
                                              const std::set<std::string>& present);

  const std::string dir_;
  Copies saved_;  // what is known to be in the folder
};

}  // namespace keelson::model
