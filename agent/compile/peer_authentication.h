// The PeerAuthentications that apply to one workload -> does it refuse plaintext, and on which
// ports otherwise. Istio: workload over namespace over root namespace; UNSET inherits; the default
// is PERMISSIVE. DISABLE is treated as PERMISSIVE and reported. Pure, any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/snapshot.h"

namespace keelson::compile {

struct PlaintextMode {
  bool strict = false;
  std::map<uint16_t, bool> port_strict;  // ports whose mode differs from `strict`
};

PlaintextMode plaintext_mode(const model::Snapshot& snapshot, const std::string& root_namespace,
                             const model::Pod& pod);

// What is not honoured, or ambiguous, in any PeerAuthentication.
std::vector<model::Finding> peer_authentication_findings(const model::Snapshot& snapshot,
                                                         const std::string& root_namespace);

}  // namespace keelson::compile
