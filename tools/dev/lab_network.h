// Network: the lab's namespaces, bridges, links and routes, and nftables rules that stand in for
// kube-proxy so that a ClusterIP also works without the mesh. Pods have /32 and /128 addresses and
// send everything through their node, as with a routed CNI: else the reply of a pod on the same
// bridge would bypass the node's address translation. Nothing is made in the machine's own
// namespace. Supervisor thread only (enters namespaces by setns).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "lab_layout.h"

namespace keelson::lab {

struct VirtualService {  // one port of one Service in one family
  Endpoint cluster;
  std::vector<Endpoint> endpoints;
};

class Network {
 public:
  explicit Network(const Layout& layout) : layout_(layout) {}

  Result<void> make_nodes();
  Result<void> make_pod(std::string_view node, std::string_view pod, int slot);
  Result<void> remove_pod(std::string_view node, std::string_view pod, int slot);
  // Replaces each node's rules at once.
  Result<void> set_services(const std::vector<VirtualService>& services);

 private:
  Result<void> add_netns(const std::string& netns);  // with the sysctls that the lab is to have
  Result<void> make_node(std::string_view node);
  Result<void> join_nodes();
  const Layout& layout_;
  std::string rules_;  // in place on every node
};

// The rules as text for `nft -f`; exposed for its unit test.
std::string service_rules(const std::vector<VirtualService>& services);

}  // namespace keelson::lab
