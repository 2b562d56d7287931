// MapWriter: the seam between a rollout and the kernel's configuration maps. The real one is
// datapath/; tests use a fake that records the order. Called on the agent loop only.
#pragma once

#include <string_view>

#include "base/result.h"
#include "compile/rows.h"

namespace keelson::rollout {

class MapWriter {
 public:
  virtual ~MapWriter() = default;
  // Creates or replaces one row. Error: Reason::map_write_failed, Reason::fenced.
  virtual Result<void> put(compile::MapId map, std::string_view key, std::string_view value) = 0;
  // Removes one row; a row that is not there is not an error.
  virtual Result<void> erase(compile::MapId map, std::string_view key) = 0;
  // Everything the configuration maps hold now.
  virtual Result<compile::Rows> read_all() = 0;
};

}  // namespace keelson::rollout
