// What compile needs to know about this node that no object says: results of enrolment
// (agent/pods, through keelson-hold). Plain data, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ip_address.h"

namespace keelson::compile {

struct LocalPod {
  std::string uid;
  uint64_t netns_cookie = 0;
  uint32_t slot = 0;                 // place in ks_listener; stable for the pod's life
  uint32_t host_ifindex = 0;         // host side of its interface; 0: unknown, no source check row
  std::vector<IpAddress> addresses;  // all of its interfaces' without loopback, link-local included
  // Those that runtime or Pod object say. The others are the pod's own doing, which may give itself
  // any: such a claim counts only where nobody else has one.
  std::vector<IpAddress> declared;
  uint16_t local_port_first = 32768;  // ip_local_port_range
  uint16_t local_port_last = 60999;
  uint64_t grace_until_ns = 0;  // ks_pod.grace_until_ns
  // Serves still, but the other nodes are told that it goes, and may call it in the clear already:
  // its policies and modes have ended, from now on plaintext is let in.
  bool is_leaving = false;
};

struct NodeFacts {
  std::string node_name;
  uint64_t netns_cookie = 0;  // of the node's own namespace
  std::string trust_domain = "cluster.local";
  std::string root_namespace = "keelson-system";
  std::vector<LocalPod> pods;  // enrolled, by uid
  // Joining (hooks not attached yet) or leaving (hooks still attached): only KS_ADDRESS_OPEN rows.
  std::vector<LocalPod> open_pods;
};

}  // namespace keelson::compile
