// Slots: which pod has which place in ks_listener, kept stable by netns cookie over an agent's
// restart. Pure, one thread. Attaches nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "compile/rows.h"

namespace keelson::pods {

class Slots {
 public:
  struct Place {
    uint32_t slot = 0;
    uint64_t grace_until_ns = 0;
    uint32_t host_ifindex = 0;
    bool fresh = false;  // not known before: its grace begins now
  };

  void recover(const compile::Rows& rows);
  // The place of this namespace: recovered, still held, or the lowest free one. nullopt: none left.
  std::optional<Place> take(uint64_t netns_cookie);
  void set(uint64_t netns_cookie, uint64_t grace_until_ns, uint32_t host_ifindex);
  void free(uint64_t netns_cookie);
  std::optional<Place> find(uint64_t netns_cookie) const;
  std::vector<uint64_t> cookies() const;

 private:
  std::map<uint64_t, Place> by_cookie_;
  std::set<uint32_t> used_;
};

}  // namespace keelson::pods
