// AddressBook: who owns which address, of this node's pods and of every other node's, as rows of
// ks_address and as the proxy's workloads; kept up to date from one snapshot to the next. Two pods
// with one address: one that declares it wins over one that merely has it, a local pod over a
// remote one, a ready one over one that is not, then the first by node and uid; reported. Owned by
// one Compiler.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "compile/identity_book.h"
#include "compile/workload.h"
#include "config/runtime_config.h"

namespace keelson::compile {

class AddressBook {
 public:
  struct Target {
    Rows& rows;
    config::RuntimeConfig& proxy;
  };

  // `before` is what the last call got as `now`, and still alive. `workloads`: the enrolled pods.
  // The node's name is the same in all calls.
  void update(const model::Snapshot& before, const model::Snapshot& now, const NodeFacts& facts,
              const std::vector<Workload>& workloads, const IdentityBook& identities,
              Target target);

  // Of addresses that several pods claim.
  const std::map<IpAddress, std::vector<model::Finding>>& findings() const noexcept {
    return findings_;
  }

 private:
  // A pod of another node. Both live as long as the snapshot that has them.
  struct Remote {
    const model::NodeState* state = nullptr;
    const model::NodeStatePod* pod = nullptr;
    friend bool operator==(const Remote&, const Remote&) = default;
  };
  struct Remotes {  // there is nearly always one
    Remote first;
    std::vector<Remote> others;
  };
  struct Local {
    bool is_undeclared = false;  // LocalPod::declared
    bool is_open = false;        // joins or leaves: not enrolled
    std::string uid, who;        // "Pod shop/web-1"
    ks_address row{};
    std::shared_ptr<const config::Workload> workload;  // null: not the proxy's business
  };
  using Locals = std::map<IpAddress, std::vector<Local>>;
  using Addresses = std::set<IpAddress>;
  struct Claim {  // of several the smallest counts
    bool is_undeclared = false, is_remote = false, is_not_ready = false;
    std::string_view node, uid;
    const Local* local = nullptr;
    Remote remote;
  };

  static Locals local_claims(const model::Snapshot& now, const NodeFacts& facts,
                             const std::vector<Workload>& workloads,
                             const IdentityBook& identities);
  void enter(const model::NodeState& state, Addresses& touched);
  void leave(const model::NodeState& state, Addresses& touched);
  std::vector<Claim> claims_on(const IpAddress& address, const NodeFacts& facts) const;
  void settle(const IpAddress& address, const NodeFacts& facts, const IdentityBook& identities,
              Target target);

  Locals locals_;
  std::unordered_map<IpAddress, Remotes, config::AddressHash> remotes_;
  std::map<IpAddress, std::vector<model::Finding>> findings_;
};

}  // namespace keelson::compile
