// Pods -> ks_pod, ks_port and ks_interface rows; ks_address: address_book.h. Pure, any thread.
// Enrolled local pods come from NodeFacts (addresses, slot, cookie) joined by uid with their Pod
// object (identity, ports); pods of other nodes come from those nodes' NodeState.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compile/facts.h"
#include "compile/name_table.h"
#include "compile/peer_authentication.h"
#include "model/snapshot.h"

namespace keelson::compile {

struct PortRange {
  uint16_t first = 0;
  uint16_t count = 0;
  friend bool operator==(const PortRange&, const PortRange&) = default;
};
// The largest piece of [1024, 32767] without the pod's ephemeral range and the TCP ports that its
// containers declare, the lower one of two equals; of 1..1023 when nothing is left. The kernel
// hashes into one contiguous range, so smaller pieces stay unused.
PortRange capture_ports(uint16_t local_port_first, uint16_t local_port_last,
                        const std::vector<model::ContainerPort>& declared);

// 169.254.0.0/16 and fe80::/10: only meaningful on one link.
bool is_link_local(const IpAddress& address);

// A local pod with what other units decided about it.
struct Workload {
  const LocalPod* facts = nullptr;
  const model::Pod* pod = nullptr;
  uint64_t policy_set = 0;
  PlaintextMode plaintext;
};

// The enrolled pods of this node that still have an object, in the order of NodeFacts.
std::vector<Workload> local_workloads(const model::Snapshot& snapshot, const NodeFacts& facts);

// Rows of one local pod except its addresses.
RowList compile_workload(const Workload& workload, const std::string& trust_domain,
                         std::vector<model::Finding>& findings);
// The row of the node's own namespace; nothing when its cookie is not known.
RowList compile_host(const NodeFacts& facts);

// Meshed pods of this node that cannot be enrolled.
std::vector<model::Finding> unsuitable_pods(const model::Snapshot& snapshot,
                                            const NodeFacts& facts);

}  // namespace keelson::compile
