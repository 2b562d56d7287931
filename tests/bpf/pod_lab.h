// PodLab: one node on a bridge with two enrolled pods (A, B) and a neighbour that is not enrolled
// (kOutside), each a network namespace without a name: the kernel removes them with the process.
// Plays hold (tagged sockets and listeners) and the agent (rows of the two pods). Test thread only.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "base/fd.h"
#include "base/ip_address.h"
#include "datapath_programs.h"

namespace keelson::test {

enum Place { kNode, kPodA, kPodB, kOutside };

constexpr uint64_t kIdentityA = 0xa1;
constexpr uint64_t kIdentityB = 0xb1;

class PodLab {
 public:
  explicit PodLab(DatapathPrograms& programs);

  uint64_t cookie(Place place) const { return places_[place].cookie; }
  int netns(Place place) const { return places_[place].netns.get(); }
  // 10.94.0.n or fd94::n
  static IpAddress ip(Place place, int family);
  uint32_t interface(Place pod) const;  // index of its eth0
  uint32_t host_interface(Place pod) const { return places_[pod].host_ifindex; }

  // Rows of both pods as after enrolment, nothing else; drops all other configuration.
  void enrol();
  ks_pod pod(Place place) const;
  void put_pod(Place place, const ks_pod& row);
  void put_service(const Endpoint& dialled, uint64_t id, uint32_t flags,
                   const std::vector<Endpoint>& backends);

  Fd socket(Place place, int family, int type = SOCK_STREAM, int protocol = 0) const;
  Fd tagged_socket(Place place, int family, ks_role role) const;
  // An application's listener on all addresses of its family (SO_REUSEADDR).
  Fd listen(Place place, int family, uint16_t port, int backlog = 64) const;
  // The listener that hold made, by role.
  int listener(Place pod, int family, ks_role role) const;

  // ks_source on the host side of the pod's interface, ingress (clsact).
  void attach_source_check(Place pod) const;
  void detach_source_check(Place pod) const;

  // Runs shell commands inside; throws when one fails.
  void shell(Place place, const std::string& commands) const;
  void set_mtu(Place pod, int bytes) const;  // both ends of the pod's veth
  // eth0 up again, with the address and route that IPv6 lost.
  void restore_link(Place pod) const;

 private:
  struct Member {
    Fd netns;
    uint64_t cookie = 0;
    uint32_t host_ifindex = 0;
    std::array<Fd, KS_LISTENERS_PER_POD> listeners;
  };
  void make_listeners(Place pod);
  void within(Place place, const std::function<void()>& action) const;

  DatapathPrograms& programs_;
  Fd home_;
  std::array<Member, 4> places_;
};

// 0 or errno. Waits at most two seconds.
int dial(const Fd& socket, const Endpoint& to);
// Empty after one second without a connection. `shown`: the address that accept() reports.
Fd accept_from(int listener, Endpoint* shown = nullptr);
bool is_readable(int fd);  // now
Endpoint peer_of(const Fd& socket);
Endpoint name_of(const Fd& socket);
int bind_to(const Fd& socket, const Endpoint& address);

}  // namespace keelson::test
