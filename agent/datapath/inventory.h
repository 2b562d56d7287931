// Inventory: what Keelson has in this node's kernel, as the kernel tells it: programs, links, maps
// and rows. An interface, so that views of it are tested on made-up kernels; KernelInventory is the
// real one. Agent loop only: reads when asked and keeps nothing; counting a map's rows takes some
// 100 ns a row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "compile/rows.h"

namespace keelson::datapath {

struct KernelProgram {
  std::string name;  // "ks_connect4"
  uint32_t id = 0;
  std::string type;  // "cgroup_sock_addr"
  uint64_t run_count = 0, run_time_ns = 0;
  uint64_t memory_bytes = 0;
};

struct KernelPrograms {
  bool runs_counted = false;  // kernel.bpf_stats_enabled: else the counts stand still
  std::vector<KernelProgram> list;
};

enum class LinkKind : uint8_t { kCgroup, kNetns, kInterface, kFilter };  // kFilter: clsact, no link

struct KernelLink {
  std::string pin;  // "lookup_3"; empty for a filter
  uint32_t id = 0;
  uint32_t program_id = 0;
  LinkKind kind = LinkKind::kCgroup;
  std::string hook;         // "connect4"
  uint64_t target = 0;      // cgroup id, netns inode or ifindex; 0: its target is gone
  std::string target_name;  // of an interface; empty: it has none any more
};

struct KernelMap {
  std::string name;
  uint32_t id = 0;
  std::string type;  // "hash"
  uint32_t key_bytes = 0, value_bytes = 0;
  std::optional<uint64_t> entries;  // nothing: user space cannot count them
  uint64_t entries_max = 0;
  uint64_t memory_bytes = 0;
};

class Inventory {
 public:
  virtual ~Inventory() = default;
  // Those that this agent loaded. Its links run them, unless a newer agent has taken over.
  virtual Result<KernelPrograms> programs() const = 0;
  virtual Result<std::vector<KernelLink>> links() const = 0;
  virtual Result<std::vector<KernelMap>> maps() const = 0;
  // Of one configuration map. Error: not_found, with the names of those that there are.
  virtual Result<compile::Rows> rows(std::string_view map) const = 0;
};

}  // namespace keelson::datapath
