// IdentityBook: the service accounts of all pods, of this node's objects and of every NodeState,
// with their ids, kept up to date from one snapshot to the next: a change costs what changed.
// Owned by one Compiler.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/shared_map.h"
#include "compile/policy_match.h"
#include "model/snapshot.h"

namespace keelson::compile {

class IdentityBook {
 public:
  explicit IdentityBook(std::string trust_domain) : trust_domain_(std::move(trust_domain)) {}

  // `before` is what the last call got as `now`. True: other identities than before.
  bool update(const model::Snapshot& before, const model::Snapshot& now);

  // Of a pod of `now`, without hashing its name again.
  uint64_t id_of(const std::string& ns, const std::string& account) const;
  const std::vector<Peer>& known() const noexcept { return known_; }  // by principal
  const SharedMap<uint64_t, std::string>& names() const noexcept { return names_; }
  const std::vector<model::Finding>& findings() const noexcept { return findings_; }  // collisions

 private:
  struct Entry {
    Peer peer;
    uint64_t id = 0;
    size_t pods = 0;
  };
  void enter(const std::string& ns, const std::string& account);
  void leave(const std::string& ns, const std::string& account);
  void list();

  const std::string trust_domain_;
  std::unordered_map<std::string, Entry> entries_;  // by "namespace/account"
  bool is_changed_ = false;
  std::vector<Peer> known_;
  SharedMap<uint64_t, std::string> names_;
  std::vector<model::Finding> findings_;
};

}  // namespace keelson::compile
