// The protocol of keelson-hold: fixed structs over one SOCK_SEQPACKET Unix socket (hold.sock), one
// request and one reply each, fds by SCM_RIGHTS tied to their message. The caller's role is its
// SO_PEERCRED uid: agent 0, proxy 65532; anybody else is disconnected. Requests are answered in
// order. Both ends include this file; docs: docs/architecture.md#hold.
#pragma once

#include <cstdint>
#include <type_traits>

#include "keelson_abi/abi.h"

namespace keelson::link {

inline constexpr uint32_t kHoldProtocolVersion = 1;
inline constexpr uint32_t kAgentUid = 0;
inline constexpr uint32_t kProxyUid = 65532;

inline constexpr int kPodKeyBytes = 64;  // Kubernetes pod UID (36 characters) and room, NUL-ended
inline constexpr int kNetnsPathBytes = 256;  // NUL-ended
inline constexpr int kStoreKeyBytes = 64;    // NUL-ended
inline constexpr int kPodAddressesMax = 16;  // addresses of a pod's interfaces without loopback
inline constexpr int kSocketsPerRequestMax =
    32;  // datapath.md 2.3: a batch of 32 costs 4.4 us a socket
inline constexpr int kStoreEntriesMax = 4096;

enum class HoldOp : uint32_t {
  // agent only
  kTagMap = 1,  // + fd of ks_tag: hold writes roles through it. Needed before kListeners, kSockets
  kRegister =
      2,  // pod, netns_path -> kPod reply + [sock_diag netlink socket]; twice: the same answer
  kForget = 3,  // pod: closes everything hold has for it
  kAdopt = 4,   // pod, family, role + [listener]: after a restart of hold, gives a listener back
  kPut = 5,     // store_key + [fd]: keeps a sealed memfd under a key (replaces)
  kDrop = 6,    // store_key
  // agent and proxy
  kListeners = 7,  // pod -> listeners of listener_mask; missing ones are made
  kGet = 8,        // store_key -> [fd]
  kList = 9,       // index: the n-th registered pod -> kPod reply; not_found past the end
  // proxy only
  kSockets =
      10,  // pod, family, role (dial roles), count -> up to count tagged sockets, non-blocking
};

struct HoldRequest {
  uint32_t version;  // kHoldProtocolVersion
  HoldOp op;
  uint32_t family;  // ks_family
  uint32_t role;    // ks_role
  uint32_t count;   // sockets wanted, or the index of kList
  uint32_t pad;
  char pod[kPodKeyBytes];
  char netns_path[kNetnsPathBytes];
  char store_key[kStoreKeyBytes];
};

struct HoldPod {
  uint64_t netns_cookie;
  uint32_t ifindex;           // inside the pod; 0: none found
  uint32_t peer_ifindex;      // host side of the pod's interface, in the node's namespace
  uint16_t local_port_first;  // net.ipv4.ip_local_port_range, inclusive
  uint16_t local_port_last;
  uint32_t address_count;
  ks_addr addresses[kPodAddressesMax];  // all but loopback, link-local included
};

struct HoldReply {
  uint32_t version;
  HoldOp op;        // of the request
  uint32_t reason;  // 0: done; else a Reason number
  int32_t os_errno;
  uint32_t fd_count;       // fds that travel with this message
  uint32_t listener_mask;  // kListeners: bit KS_LISTENER_INDEX(0, family, role) for each fd, in
                           // order; a pod without IPv6 has no listeners of that family
  char key[kPodKeyBytes];  // kList: the pod's key
  HoldPod pod;             // kRegister, kList
};

static_assert(std::is_trivially_copyable_v<HoldRequest> && sizeof(HoldRequest) == 408);
static_assert(std::is_trivially_copyable_v<HoldReply> && sizeof(HoldReply) == 368);

}  // namespace keelson::link
