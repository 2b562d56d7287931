// read_interfaces: the pod's interface, its host side and all its addresses, by rtnetlink(7). Pure
// reading over sockets that the caller made; no namespace is entered here.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "link/hold_messages.h"

namespace keelson::hold {

// `in_pod` and `at_home` are NETLINK_ROUTE sockets of the pod's namespace and of our own. Fills
// ifindex, peer_ifindex and addresses. The interface is eth0, or the first one with a peer;
// peer_ifindex stays 0 unless our namespace has that index and it points back at the pod's
// interface (macvlan and an interface moved elsewhere have none).
Result<void> read_interfaces(const Fd& in_pod, const Fd& at_home, link::HoldPod& pod);

}  // namespace keelson::hold
