#include "hold/pod_namespace.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/ip_address.h"
#include "hold/interfaces.h"

namespace keelson::hold {
namespace {

constexpr int kListenBacklog = 4096;

// Runs `make`, which returns an fd, inside namespace `pod`, and comes home whatever happens.
template <class Make>
Fd inside(const Fd& pod, const Fd& home, Make make) {
  if (::setns(pod.get(), CLONE_NEWNET) != 0) return {};
  Fd fd(make());
  const int failure = errno;
  // Serving the next request from a pod's namespace would hand out sockets of the wrong pod.
  if (::setns(home.get(), CLONE_NEWNET) != 0) std::abort();
  errno = failure;
  return fd;
}

Result<uint64_t> netns_cookie(const Fd& socket) {
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0)
    return fail_errno(Reason::io_error, errno, "SO_NETNS_COOKIE");
  return cookie;
}

Result<void> set_int(const Fd& socket, int level, int option, int value) {
  if (::setsockopt(socket.get(), level, option, &value, sizeof value) != 0)
    return fail_errno(Reason::io_error, errno, "setsockopt " + std::to_string(option));
  return {};
}

Failure invalid(const std::string& path, int os_errno, const char* why) {
  return fail_errno(Reason::netns_invalid, os_errno, path + ": " + why);
}

bool parse_port_range(const char* text, link::HoldPod& pod) {
  unsigned first = 0;
  unsigned last = 0;
  if (std::sscanf(text, "%u %u", &first, &last) != 2 || last > UINT16_MAX || first > last)
    return false;
  pod.local_port_first = static_cast<uint16_t>(first);
  pod.local_port_last = static_cast<uint16_t>(last);
  return true;
}

}  // namespace

Result<PodNamespace> PodNamespace::open(const std::string& path) {
  // O_NONBLOCK: a fifo at this path must not stop the server.
  Fd pod(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  // This says nothing about the path.
  if (!pod && (errno == EMFILE || errno == ENFILE))
    return fail_errno(Reason::io_error, errno, "open " + path);
  if (!pod) return invalid(path, errno, "cannot open");
  struct statfs filesystem {};
  if (::fstatfs(pod.get(), &filesystem) != 0 || filesystem.f_type != NSFS_MAGIC)
    return invalid(path, 0, "not a namespace");
  if (::ioctl(pod.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
    return invalid(path, 0, "not a network namespace");
  Fd home(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home) return fail_errno(Reason::io_error, errno, "open /proc/self/ns/net");
  struct stat pod_status {};
  struct stat home_status {};
  if (::fstat(pod.get(), &pod_status) != 0 || ::fstat(home.get(), &home_status) != 0)
    return fail_errno(Reason::io_error, errno, "fstat namespace");
  if (pod_status.st_ino == home_status.st_ino && pod_status.st_dev == home_status.st_dev)
    return invalid(path, 0, "keelson-hold's own namespace");
  PodNamespace opened(std::move(pod), std::move(home));
  KS_ASSIGN(const Fd probe, opened.socket_inside(AF_INET, SOCK_DGRAM, 0));
  KS_ASSIGN(opened.cookie_, netns_cookie(probe));
  return opened;
}

Result<Fd> PodNamespace::socket_inside(int domain, int type, int protocol) const {
  Fd made = inside(pod_, home_, [&] { return ::socket(domain, type | SOCK_CLOEXEC, protocol); });
  if (!made) return fail_errno(Reason::io_error, errno, "socket inside the pod");
  return made;
}

Result<Fd> PodNamespace::open_inside(const char* path) const {
  Fd file = inside(pod_, home_, [&] { return ::open(path, O_RDONLY | O_CLOEXEC); });
  if (!file) return fail_errno(Reason::io_error, errno, path);
  return file;
}

Result<link::HoldPod> PodNamespace::inspect() const {
  link::HoldPod pod{};
  pod.netns_cookie = cookie_;
  // /proc/sys/net shows the namespace of the task that opens the file; the open file keeps it.
  KS_ASSIGN(const Fd range, open_inside("/proc/sys/net/ipv4/ip_local_port_range"));
  char text[64] = {};
  if (::read(range.get(), text, sizeof text - 1) <= 0 || !parse_port_range(text, pod))
    return fail_errno(Reason::io_error, errno, "ip_local_port_range");
  KS_ASSIGN(const Fd routes, socket_inside(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  Fd at_home(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!at_home) return fail_errno(Reason::io_error, errno, "netlink socket");
  KS_TRY(read_interfaces(routes, at_home, pod));
  return pod;
}

Result<Fd> PodNamespace::make_diag_socket() const {
  return socket_inside(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
}

Result<void> PodNamespace::tag(const Fd& socket, ks_role role, const Fd& tag_map) const {
  // Raw bpf(2): one command does not justify libbpf in the most privileged process.
  const ks_tag value{cookie_, static_cast<uint32_t>(role), 0};
  const int key = socket.get();
  bpf_attr attr{};
  attr.map_fd = static_cast<uint32_t>(tag_map.get());
  attr.key = reinterpret_cast<uintptr_t>(&key);
  attr.value = reinterpret_cast<uintptr_t>(&value);
  if (::syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof attr) != 0)
    return fail_errno(Reason::map_write_failed, errno, "ks_tag");
  return {};
}

Result<Fd> PodNamespace::make_listener(ks_family family, ks_role role, const Fd& tag_map) const {
  const bool v4 = family == KS_FAMILY_4;
  KS_ASSIGN(Fd socket, socket_inside(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
  // Accepted sockets occupy the port they were steered from; without SO_REUSEADDR here no
  // application could bind such a port (experiment 9). SO_REUSEPORT would let a pod process join.
  KS_TRY(set_int(socket, SOL_SOCKET, SO_REUSEADDR, 1));
  if (!v4) KS_TRY(set_int(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  Endpoint any_port;
  KS_ASSIGN(any_port.address, IpAddress::parse(v4 ? "127.0.0.1" : "::1"));
  sockaddr_storage address{};
  const socklen_t length = any_port.to_sockaddr(address);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0)
    return fail_errno(Reason::io_error, errno, "bind " + any_port.to_string());
  KS_TRY(tag(socket, role, tag_map));
  if (::listen(socket.get(), kListenBacklog) != 0)
    return fail_errno(Reason::io_error, errno, "listen");
  return socket;
}

Result<Fd> PodNamespace::make_dial_socket(ks_family family, ks_role role, const Fd& tag_map) const {
  KS_ASSIGN(Fd socket, socket_inside(family == KS_FAMILY_4 ? AF_INET : AF_INET6,
                                     SOCK_STREAM | SOCK_NONBLOCK, 0));
  // A killed proxy must send RST, never a FIN that looks like a clean end.
  const linger abort_on_close{1, 0};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close) !=
      0)
    return fail_errno(Reason::io_error, errno, "SO_LINGER");
  KS_TRY(tag(socket, role, tag_map));
  return socket;
}

bool PodNamespace::owns_listener(const Fd& listener) const {
  int listening = 0;
  socklen_t length = sizeof listening;
  if (::getsockopt(listener.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 ||
      listening == 0)
    return false;
  const auto cookie = netns_cookie(listener);
  if (!cookie || *cookie != cookie_) return false;
  sockaddr_storage address{};
  length = sizeof address;
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return false;
  const auto bound = Endpoint::from_sockaddr(address);
  return bound && bound->address.is_loopback();
}

}  // namespace keelson::hold
