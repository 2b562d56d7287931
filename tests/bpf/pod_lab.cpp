#include "pod_lab.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace keelson::test {

namespace {

constexpr const char* kOwnNetns = "/proc/thread-self/ns/net";

int require(int result, const char* what) {
  if (result < 0) throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
  return result;
}

int family_of(const Fd& socket) {
  int family = 0;
  socklen_t length = sizeof(family);
  require(getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &length), "SO_DOMAIN");
  return family;
}

// The mapped form when an IPv6 socket names an IPv4 address.
socklen_t address_for(const Fd& socket, const Endpoint& endpoint, sockaddr_storage& to) {
  if (family_of(socket) == AF_INET) return endpoint.to_sockaddr(to);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::memcpy(&v6.sin6_addr, &endpoint.address.raw(), sizeof(v6.sin6_addr));
  std::memcpy(&to, &v6, sizeof(v6));
  return sizeof(v6);
}

}  // namespace

PodLab::PodLab(DatapathPrograms& programs)
    : programs_(programs), home_(require(open(kOwnNetns, O_RDONLY | O_CLOEXEC), kOwnNetns)) {
  for (Member& member : places_) {
    require(unshare(CLONE_NEWNET), "unshare");
    member.netns = Fd(require(open(kOwnNetns, O_RDONLY | O_CLOEXEC), kOwnNetns));
    require(setns(home_.get(), CLONE_NEWNET), "setns");
  }
  for (const Place place : {kNode, kPodA, kPodB, kOutside}) {
    const Fd any = socket(place, AF_INET);
    socklen_t length = sizeof(uint64_t);
    require(getsockopt(any.get(), SOL_SOCKET, SO_NETNS_COOKIE, &places_[place].cookie, &length),
            "SO_NETNS_COOKIE");
    if (place == kNode)
      shell(place,
            "ip link set lo up; ip link add br0 type bridge; ip link set br0 up;"
            "ip addr add 10.94.0.1/24 dev br0; ip addr add fd94::1/64 dev br0 nodad");
    else
      shell(place, fmt::format("ip link set lo up; ip link add eth0 type veth peer name p{0} netns "
                               "/proc/{1}/fd/{2}; ip addr add 10.94.0.{3}/24 dev eth0;"
                               "ip addr add fd94::{3}/64 dev eth0 nodad; ip link set eth0 up;"
                               "nsenter --net=/proc/{1}/fd/{2} ip link set p{0} master br0 up;"
                               "ip route add default via 10.94.0.1;"
                               "ip -6 route add default via fd94::1",
                               static_cast<int>(place), getpid(), netns(kNode), place + 1));
    if (place != kNode)
      within(kNode, [&] {
        places_[place].host_ifindex =
            if_nametoindex(fmt::format("p{}", static_cast<int>(place)).c_str());
      });
  }
  for (const Place pod : {kPodA, kPodB}) {
    make_listeners(pod);
    programs_.attach_lookup(netns(pod));
  }
  shell(kPodA, "echo 40000 40999 > /proc/sys/net/ipv4/ip_local_port_range");
  programs_.attach_cgroup_root();
}

IpAddress PodLab::ip(Place place, int family) {
  const char* pattern = family == AF_INET ? "10.94.0.{}" : "fd94::{}";
  return IpAddress::parse(fmt::format(fmt::runtime(pattern), place + 1)).value();
}

void PodLab::within(Place place, const std::function<void()>& action) const {
  require(setns(netns(place), CLONE_NEWNET), "setns");
  action();
  require(setns(home_.get(), CLONE_NEWNET), "setns");
}

void PodLab::shell(Place place, const std::string& commands) const {
  const std::string line =
      fmt::format("nsenter --net=/proc/{}/fd/{} sh -ec '{}'", getpid(), netns(place), commands);
  if (std::system(line.c_str()) != 0) throw std::runtime_error("failed: " + line);
}

uint32_t PodLab::interface(Place pod) const {
  uint32_t index = 0;
  within(pod, [&] { index = if_nametoindex("eth0"); });
  return index;
}

void PodLab::attach_source_check(Place pod) const {
  within(kNode, [&] {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(host_interface(pod)),
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = programs_.program("ks_source"));
    const int error = bpf_tc_hook_create(&hook);
    if (error || bpf_tc_attach(&hook, &filter)) throw std::runtime_error("cannot attach ks_source");
  });
}

void PodLab::detach_source_check(Place pod) const {
  shell(kNode, fmt::format("tc qdisc del dev p{} clsact", static_cast<int>(pod)));
}

void PodLab::set_mtu(Place pod, int bytes) const {
  shell(pod, fmt::format("ip link set eth0 mtu {}", bytes));
  shell(kNode, fmt::format("ip link set p{} mtu {}", static_cast<int>(pod), bytes));
}

void PodLab::restore_link(Place pod) const {
  shell(pod, fmt::format("ip link set eth0 up; ip addr replace fd94::{}/64 dev eth0 nodad;"
                         "ip route replace default via 10.94.0.1;"
                         "ip -6 route replace default via fd94::1",
                         static_cast<int>(pod) + 1));
}

Fd PodLab::socket(Place place, int family, int type, int protocol) const {
  Fd made;
  within(place, [&] { made = Fd(::socket(family, type | SOCK_CLOEXEC, protocol)); });
  require(made.get(), "socket");
  return made;
}

Fd PodLab::tagged_socket(Place place, int family, ks_role role) const {
  Fd made = socket(place, family);
  const ks_tag tag{cookie(place), role, 0};
  programs_.put("ks_tag", made.get(), tag);
  return made;
}

Fd PodLab::listen(Place place, int family, uint16_t port, int backlog) const {
  Fd made = socket(place, family);
  const int on = 1;
  setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (family == AF_INET6) setsockopt(made.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  const Endpoint any{family == AF_INET ? IpAddress::parse("0.0.0.0").value() : IpAddress(), port};
  require(bind_to(made, any) ? -1 : 0, "bind");
  require(::listen(made.get(), backlog), "listen");
  return made;
}

void PodLab::make_listeners(Place pod) {
  for (const int family : {AF_INET, AF_INET6})
    for (const ks_role role : {KS_ROLE_OUTBOUND, KS_ROLE_HBONE, KS_ROLE_PLAIN}) {
      Fd made = tagged_socket(pod, family, role);
      const int on = 1;
      setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
      const char* loopback = family == AF_INET ? "127.0.0.1" : "::1";
      require(bind_to(made, {IpAddress::parse(loopback).value(), 0}) ? -1 : 0, "bind");
      require(::listen(made.get(), 4096), "listen");
      const uint32_t v6 = family == AF_INET6;
      const uint32_t index = KS_LISTENER_INDEX(pod, v6, role);
      programs_.put("ks_listener", index, static_cast<uint64_t>(made.get()));
      places_[pod].listeners[index % KS_LISTENERS_PER_POD] = std::move(made);
    }
}

int PodLab::listener(Place pod, int family, ks_role role) const {
  const uint32_t v6 = family == AF_INET6;
  return places_[pod].listeners[KS_LISTENER_INDEX(0, v6, role)].get();
}

void PodLab::enrol() {
  programs_.clear_configuration();
  for (const Place place : {kPodA, kPodB}) {
    ks_pod row{};
    row.identity = place == kPodA ? kIdentityA : kIdentityB;
    row.addr4 = ip(place, AF_INET).raw();
    row.addr6 = ip(place, AF_INET6).raw();
    row.slot = place;
    row.capture_port_first = KS_CAPTURE_PORT_FIRST;
    row.capture_port_count = KS_CAPTURE_PORT_LAST - KS_CAPTURE_PORT_FIRST + 1;
    put_pod(place, row);
    const ks_address owner{cookie(place), row.identity, KS_ADDRESS_LOCAL | KS_ADDRESS_READY, 0};
    for (const int family : {AF_INET, AF_INET6})
      programs_.put("ks_address", ip(place, family).raw(), owner);
  }
  programs_.take_events();
}

ks_pod PodLab::pod(Place place) const {
  return programs_.get<ks_pod>("ks_pod", cookie(place)).value();
}

void PodLab::put_pod(Place place, const ks_pod& row) {
  programs_.put("ks_pod", cookie(place), row);
}

void PodLab::put_service(const Endpoint& dialled, uint64_t id, uint32_t flags,
                         const std::vector<Endpoint>& backends) {
  uint32_t index = 0;
  for (const Endpoint& backend : backends)
    programs_.put("ks_backend", ks_backend_key{id, index++, 0}, ks_backend{backend.raw()});
  programs_.put("ks_service", ks_service_key{dialled.address.raw(), dialled.port, IPPROTO_TCP, 0},
                ks_service{id, index, flags});
}

int dial(const Fd& socket, const Endpoint& to) {
  const timeval patience{2, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  sockaddr_storage address{};
  const socklen_t length = address_for(socket, to, address);
  return connect(socket.get(), reinterpret_cast<sockaddr*>(&address), length) ? errno : 0;
}

int bind_to(const Fd& socket, const Endpoint& own) {
  sockaddr_storage address{};
  const socklen_t length = address_for(socket, own, address);
  return bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length) ? errno : 0;
}

Fd accept_from(int listener, Endpoint* shown) {
  pollfd waiting{listener, POLLIN, 0};
  if (poll(&waiting, 1, 1000) != 1) return Fd();
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  Fd accepted(accept4(listener, reinterpret_cast<sockaddr*>(&address), &length, SOCK_CLOEXEC));
  if (accepted && shown) *shown = Endpoint::from_sockaddr(address).value();
  return accepted;
}

bool is_readable(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  return poll(&waiting, 1, 0) == 1;
}

Endpoint peer_of(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getpeername(socket.get(), reinterpret_cast<sockaddr*>(&address), &length)) return {};
  return Endpoint::from_sockaddr(address).value();
}

Endpoint name_of(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length)) return {};
  return Endpoint::from_sockaddr(address).value();
}

}  // namespace keelson::test
