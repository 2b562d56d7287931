// KernelMaps: the real rollout::MapWriter: rows of the pinned configuration maps, written with two
// guards: sizes are checked against the ABI when the maps are opened, and every write first checks
// the fencing epoch in ks_node, so that an agent that was replaced changes nothing. Agent loop
// only.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/fd.h"
#include "datapath/pins.h"
#include "rollout/map_writer.h"

namespace keelson::datapath {

class KernelMaps final : public rollout::MapWriter {
 public:
  // The Loader (of any agent) has created the maps. Reads only until become_owner().
  static Result<KernelMaps> open(const Pins& pins);

  // Takes the node over: from now on the writes of every other agent fail with Reason::fenced.
  Result<void> become_owner();
  bool is_owner() const;

  Result<void> put(compile::MapId map, std::string_view key, std::string_view value) override;
  Result<void> erase(compile::MapId map, std::string_view key) override;
  Result<compile::Rows> read_all() override;
  // Of one map. Error: not_found, with the names that there are.
  Result<compile::Rows> read(std::string_view name) const;

  uint64_t writes() const noexcept { return writes_; }  // puts and erases that changed the kernel

 private:
  explicit KernelMaps(Fd node) : node_(std::move(node)) {}
  Result<void> check_owner() const;
  Result<void> read_map(compile::MapId map, compile::Rows& rows) const;
  Result<uint64_t> read_epoch() const;

  std::array<Fd, compile::kMapIds> maps_;
  Fd node_;
  uint64_t epoch_ = 0;  // 0: never became owner
  uint64_t writes_ = 0;
};

}  // namespace keelson::datapath
