// keelson-hold as a process, against real namespaces.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/ip_address.h"
#include "link/hold_client.h"
#include "link/memfd.h"
#include "link/seqpacket.h"
#include "netns/hold_process.h"

namespace keelson::netns_test {
namespace {

using link::HoldClient;
using link::HoldOp;
using link::HoldReply;
using link::HoldRequest;

int int_option(const Fd& socket, int level, int option) {
  int value = -1;
  socklen_t length = sizeof value;
  EXPECT_EQ(::getsockopt(socket.get(), level, option, &value, &length), 0);
  return value;
}

Endpoint bound_to(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  return *Endpoint::from_sockaddr(address);
}

ks_tag tag_of(const Fd& map, const Fd& socket) {
  ks_tag tag{};
  const int key = socket.get();
  EXPECT_EQ(bpf_map_lookup_elem(map.get(), &key, &tag), 0);
  return tag;
}

std::ptrdiff_t open_fds(pid_t pid) {
  const std::filesystem::directory_iterator fds("/proc/" + std::to_string(pid) + "/fd");
  return std::distance(begin(fds), end(fds));
}

class Hold : public testing::Test {
 protected:
  void SetUp() override {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    connect_pod(node_, pod_, "p0", "10.97.0.2/24");
    run("ip -n " + pod_.name() + " addr add fd97::2/64 dev eth0 nodad");
    ASSERT_TRUE(client_.give_tag_map(tags_.get()));
  }

  Reason refusal_of_register(const std::string& path) {
    const auto registered = client_.register_pod("pod-x", path);
    return registered ? Reason::none : registered.error().reason;
  }
  // The exit code of `check`, run as another user.
  int as_user(uid_t uid, const std::function<int()>& check) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(::setgid(uid) != 0 || ::setuid(uid) != 0 ? 99 : check());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  HoldReply raw(const void* bytes, size_t count) {
    const auto socket = link::connect_seqpacket(hold_.socket_path());
    EXPECT_TRUE(
        link::send_message(*socket, std::span(static_cast<const std::byte*>(bytes), count)));
    HoldReply reply{};
    EXPECT_TRUE(link::receive_message(*socket, std::as_writable_bytes(std::span(&reply, 1))));
    return reply;
  }

  TemporaryFolder folder_;
  Namespace node_{"node"};
  Namespace pod_{"pod"};
  Fd tags_ = make_tag_map();
  HoldProcess hold_{node_, folder_.path()};
  HoldClient client_{hold_.socket_path()};
};

TEST_F(Hold, registration_tells_cookie_interface_addresses_and_port_range_of_that_pod) {
  pod_.run("sysctl -qw net.ipv4.ip_local_port_range='41000 42000'");
  const auto registered = client_.register_pod("pod-a", pod_.path());
  ASSERT_TRUE(registered) << registered.error().message();
  const link::HoldPod& pod = registered->pod;
  EXPECT_EQ(pod.netns_cookie, netns_cookie(pod_.socket(AF_INET, SOCK_STREAM)));
  EXPECT_EQ(pod.local_port_first, 41000);
  EXPECT_EQ(pod.local_port_last, 42000);
  std::vector<std::string> addresses;
  for (uint32_t i = 0; i < pod.address_count; ++i)
    addresses.push_back(IpAddress(pod.addresses[i]).to_string());
  EXPECT_TRUE(std::count(addresses.begin(), addresses.end(), "10.97.0.2"));
  EXPECT_TRUE(std::count(addresses.begin(), addresses.end(), "fd97::2"));
  EXPECT_FALSE(std::count(addresses.begin(), addresses.end(), "127.0.0.1"));
  EXPECT_FALSE(std::count(addresses.begin(), addresses.end(), "::1"));
  EXPECT_TRUE(std::any_of(addresses.begin(), addresses.end(),
                          [](const auto& text) { return text.starts_with("fe80:"); }));
  node_.run("cat /sys/class/net/p0/ifindex > " + folder_.path() + "/ifindex");
  uint32_t host_ifindex = 0;
  std::ifstream(folder_.path() + "/ifindex") >> host_ifindex;
  EXPECT_EQ(pod.peer_ifindex, host_ifindex);
  EXPECT_NE(pod.ifindex, 0U);
}

TEST_F(Hold, registering_twice_keeps_the_listeners_and_reads_the_addresses_again) {
  const auto first = client_.register_pod("pod-a", pod_.path());
  const auto listeners = client_.listeners("pod-a");
  ASSERT_TRUE(first && listeners);
  run("ip -n " + pod_.name() + " addr add 10.97.0.77/24 dev eth0");
  const auto second = client_.register_pod("pod-a", pod_.path());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->pod.netns_cookie, first->pod.netns_cookie);
  EXPECT_EQ(second->pod.address_count, first->pod.address_count + 1);
  const auto again = client_.listeners("pod-a");
  ASSERT_TRUE(again);
  for (size_t i = 0; i < again->size(); ++i)
    EXPECT_EQ(socket_cookie((*again)[i]), socket_cookie((*listeners)[i]));
}

TEST_F(Hold, refuses_every_path_that_is_not_another_network_namespace) {
  const std::string fifo = folder_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path :
       {std::string("/etc/passwd"), std::string("/proc/self/ns/mnt"), std::string("/run/netns"),
        std::string("/no/such/path"), fifo, std::string("relative"), node_.path(),
        "/proc/" + std::to_string(hold_.pid()) + "/ns/net"})
    EXPECT_EQ(refusal_of_register(path), Reason::netns_invalid) << path;
  EXPECT_EQ(refusal_of_register(pod_.path()), Reason::none);
}

TEST_F(Hold, answers_malformed_requests_with_the_reason_and_hangs_up) {
  HoldRequest request{};
  request.version = link::kHoldProtocolVersion;
  request.op = HoldOp::kList;
  const auto malformed = static_cast<uint32_t>(Reason::message_malformed);
  EXPECT_EQ(raw(&request, sizeof request - 1).reason, malformed);
  EXPECT_EQ(raw("x", 1).reason, malformed);
  std::vector<std::byte> longer(sizeof request + 1, std::byte{1});
  EXPECT_EQ(raw(longer.data(), longer.size()).reason, malformed);
  request.version = 99;
  EXPECT_EQ(raw(&request, sizeof request).reason, malformed);
  request.version = link::kHoldProtocolVersion;
  request.op = static_cast<HoldOp>(77);
  const auto not_allowed = static_cast<uint32_t>(Reason::caller_not_allowed);
  EXPECT_EQ(raw(&request, sizeof request).reason, malformed);
  request.op = HoldOp::kForget;
  std::fill(std::begin(request.pod), std::end(request.pod), 'x');  // no NUL
  EXPECT_EQ(raw(&request, sizeof request).reason, malformed);
  request.op = HoldOp::kSockets;  // root is not the proxy
  EXPECT_EQ(raw(&request, sizeof request).reason, not_allowed);
  EXPECT_TRUE(client_.register_pod("pod-a", pod_.path()));
}

TEST_F(Hold, gives_sockets_to_the_proxys_user_only_and_nothing_else) {
  ASSERT_TRUE(client_.register_pod("pod-a", pod_.path()));
  const auto as_proxy = [&] {
    HoldClient proxy(hold_.socket_path());
    if (!proxy.sockets("pod-a", KS_FAMILY_4, KS_ROLE_DIAL_DELIVER, 2)) return 1;
    const auto registered = proxy.register_pod("pod-b", pod_.path());
    if (registered || registered.error().reason != Reason::caller_not_allowed) return 2;
    const auto forgotten = proxy.forget("pod-a");
    if (forgotten || forgotten.error().reason != Reason::caller_not_allowed) return 3;
    return proxy.listeners("pod-a") ? 0 : 4;
  };
  EXPECT_EQ(as_user(link::kProxyUid, as_proxy), 0);
  const auto as_stranger = [&] {
    HoldClient stranger(hold_.socket_path());
    const auto listed = stranger.list(0);
    return !listed && listed.error().reason == Reason::hold_unreachable ? 0 : 1;
  };
  EXPECT_EQ(as_user(1234, as_stranger), 0);
}

TEST_F(Hold, makes_tagged_listeners_that_no_pod_process_can_join) {
  const auto registered = client_.register_pod("pod-a", pod_.path());
  const auto listeners = client_.listeners("pod-a");
  ASSERT_TRUE(registered && listeners);
  for (const ks_family family : {KS_FAMILY_4, KS_FAMILY_6}) {
    for (const ks_role role : {KS_ROLE_OUTBOUND, KS_ROLE_HBONE, KS_ROLE_PLAIN}) {
      const Fd& listener = (*listeners)[static_cast<size_t>(KS_LISTENER_INDEX(0, family, role))];
      ASSERT_TRUE(listener);
      EXPECT_EQ(tag_of(tags_, listener).role, static_cast<uint32_t>(role));
      EXPECT_EQ(tag_of(tags_, listener).pod, registered->pod.netns_cookie);
      EXPECT_EQ(int_option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
      EXPECT_EQ(int_option(listener, SOL_SOCKET, SO_REUSEADDR), 1);
      EXPECT_EQ(int_option(listener, SOL_SOCKET, SO_REUSEPORT), 0);
      EXPECT_TRUE(bound_to(listener).address.is_loopback());
      EXPECT_EQ(bound_to(listener).address.family(), family);
      EXPECT_EQ(netns_cookie(listener), registered->pod.netns_cookie);
      if (family == KS_FAMILY_6) {
        EXPECT_EQ(int_option(listener, IPPROTO_IPV6, IPV6_V6ONLY), 1);
      }
    }
  }
}

TEST_F(Hold, serves_a_pod_without_ipv6_with_three_listeners) {
  pod_.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1");
  ASSERT_TRUE(client_.register_pod("pod-a", pod_.path()));
  const auto listeners = client_.listeners("pod-a");
  ASSERT_TRUE(listeners) << listeners.error().message();
  EXPECT_EQ(std::count_if(listeners->begin(), listeners->end(),
                          [](const Fd& fd) { return static_cast<bool>(fd); }),
            3);
  EXPECT_FALSE((*listeners)[KS_LISTENER_INDEX(0, KS_FAMILY_6, KS_ROLE_HBONE)]);
}

TEST_F(Hold, dial_sockets_are_tagged_nonblocking_and_reset_when_their_owner_dies) {
  const auto registered = client_.register_pod("pod-a", pod_.path());
  ASSERT_TRUE(registered);
  HoldProcess other(node_, folder_.path() + "/other", "0");  // root may be the proxy there
  HoldClient both(other.socket_path());
  const auto early = both.sockets("pod-a", KS_FAMILY_4, KS_ROLE_DIAL_EGRESS, 1);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().reason, Reason::pod_unknown);
  ASSERT_TRUE(both.register_pod("pod-a", pod_.path()));
  const auto untagged = both.sockets("pod-a", KS_FAMILY_4, KS_ROLE_DIAL_EGRESS, 1);
  ASSERT_FALSE(untagged);
  EXPECT_EQ(untagged.error().reason, Reason::hold_refused);
  ASSERT_TRUE(both.give_tag_map(tags_.get()));
  for (const auto& [role, count] :
       {std::pair{KS_ROLE_OUTBOUND, 1U}, std::pair{KS_ROLE_DIAL_HBONE, 0U},
        std::pair{KS_ROLE_DIAL_HBONE, 33U}}) {
    const auto refused = both.sockets("pod-a", KS_FAMILY_4, role, count);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, Reason::message_malformed);
  }
  const auto sockets = both.sockets("pod-a", KS_FAMILY_6, KS_ROLE_DIAL_HBONE, 32);
  ASSERT_TRUE(sockets) << sockets.error().message();
  ASSERT_EQ(sockets->size(), 32U);
  for (const Fd& socket : *sockets) {
    linger abort_on_close{};
    socklen_t length = sizeof abort_on_close;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &abort_on_close, &length);
    EXPECT_EQ(abort_on_close.l_onoff, 1);
    EXPECT_EQ(abort_on_close.l_linger, 0);
    EXPECT_NE(::fcntl(socket.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(tag_of(tags_, socket).role, static_cast<uint32_t>(KS_ROLE_DIAL_HBONE));
    EXPECT_EQ(netns_cookie(socket), registered->pod.netns_cookie);
    EXPECT_EQ(int_option(socket, SOL_SOCKET, SO_DOMAIN), AF_INET6);
  }
}

TEST_F(Hold, refuses_a_tag_map_that_is_something_else) {
  const Fd array(bpf_map_create(BPF_MAP_TYPE_ARRAY, "x", 4, sizeof(ks_tag), 1, nullptr));
  const auto other_map = client_.give_tag_map(array.get());
  ASSERT_FALSE(other_map);
  EXPECT_EQ(other_map.error().reason, Reason::message_malformed);
  const auto no_map = client_.give_tag_map(STDIN_FILENO);
  ASSERT_FALSE(no_map);
  EXPECT_EQ(no_map.error().reason, Reason::message_malformed);
}

TEST_F(Hold, a_killed_hold_loses_no_listener_because_the_agent_gives_them_back) {
  ASSERT_TRUE(client_.register_pod("pod-a", pod_.path()));
  auto listeners = client_.listeners("pod-a");
  ASSERT_TRUE(listeners);
  const Fd& listener = (*listeners)[KS_LISTENER_INDEX(0, KS_FAMILY_4, KS_ROLE_HBONE)];
  const Fd waiting = pod_.socket(AF_INET, SOCK_STREAM);
  sockaddr_storage address{};
  const socklen_t length = bound_to(listener).to_sockaddr(address);
  ASSERT_EQ(::connect(waiting.get(), reinterpret_cast<sockaddr*>(&address), length), 0);

  const uint64_t before = client_.connections();
  hold_.kill();
  HoldProcess restarted(node_, folder_.path());
  const auto lost = client_.listeners("pod-a");
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().reason, Reason::pod_unknown);
  EXPECT_GT(client_.connections(), before);

  ASSERT_TRUE(client_.register_pod("pod-a", pod_.path()));
  for (const ks_family family : {KS_FAMILY_4, KS_FAMILY_6})
    for (const ks_role role : {KS_ROLE_OUTBOUND, KS_ROLE_HBONE, KS_ROLE_PLAIN})
      ASSERT_TRUE(client_.adopt(
          "pod-a", family, role,
          (*listeners)[static_cast<size_t>(KS_LISTENER_INDEX(0, family, role))].get()));
  const auto adopted = client_.listeners("pod-a");  // without a tag map: none has to be made
  ASSERT_TRUE(adopted);
  for (size_t i = 0; i < adopted->size(); ++i)
    EXPECT_EQ(socket_cookie((*adopted)[i]), socket_cookie((*listeners)[i]));
  const Fd accepted(::accept4((*adopted)[KS_LISTENER_INDEX(0, KS_FAMILY_4, KS_ROLE_HBONE)].get(),
                              nullptr, nullptr, 0));
  EXPECT_TRUE(accepted) << "the connection that waited in the backlog is gone";
}

TEST_F(Hold, adopts_only_loopback_listeners_of_that_pod) {
  Namespace second("second");
  ASSERT_TRUE(client_.register_pod("pod-a", pod_.path()));
  ASSERT_TRUE(client_.register_pod("pod-b", second.path()));
  const auto foreign = client_.listeners("pod-b");
  ASSERT_TRUE(foreign);
  const auto refused = client_.adopt("pod-a", KS_FAMILY_4, KS_ROLE_HBONE, (*foreign)[0].get());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::message_malformed);
  const Fd idle = pod_.socket(AF_INET, SOCK_STREAM);
  EXPECT_FALSE(client_.adopt("pod-a", KS_FAMILY_4, KS_ROLE_HBONE, idle.get()));
  ASSERT_EQ(::listen(idle.get(), 1), 0);  // bound to 0.0.0.0: reachable from outside
  EXPECT_FALSE(client_.adopt("pod-a", KS_FAMILY_4, KS_ROLE_HBONE, idle.get()));
  EXPECT_FALSE(client_.adopt("pod-a", KS_FAMILY_4, KS_ROLE_DIAL_HBONE, idle.get()));
}

TEST_F(Hold, forgetting_a_pod_closes_everything_it_had) {
  const std::ptrdiff_t before = open_fds(hold_.pid());
  ASSERT_TRUE(client_.register_pod("pod-a", pod_.path()));
  ASSERT_TRUE(client_.listeners("pod-a"));
  EXPECT_GE(open_fds(hold_.pid()), before + KS_LISTENERS_PER_POD);
  ASSERT_TRUE(client_.forget("pod-a"));
  EXPECT_EQ(open_fds(hold_.pid()), before);
  EXPECT_TRUE(client_.forget("pod-a"));
}

TEST_F(Hold, lists_the_registered_pods) {
  ASSERT_TRUE(client_.register_pod("pod-b", pod_.path()));
  ASSERT_TRUE(client_.register_pod("pod-a", pod_.path()));
  const auto pods = client_.list_all();
  ASSERT_TRUE(pods);
  ASSERT_EQ(pods->size(), 2U);
  EXPECT_EQ((*pods)[0].key, "pod-a");
  EXPECT_EQ((*pods)[1].pod.netns_cookie, netns_cookie(pod_.socket(AF_INET, SOCK_DGRAM)));
}

TEST_F(Hold, keeps_sealed_memfds_by_key_and_nothing_else) {
  const auto secret = link::make_sealed_memfd("key", "secret");
  ASSERT_TRUE(secret);
  ASSERT_TRUE(client_.put("identity/a", secret->get()));
  const auto kept = client_.get("identity/a");
  ASSERT_TRUE(kept);
  const auto content = link::read_sealed_memfd(*kept, 100);
  ASSERT_TRUE(content);
  EXPECT_EQ(*content, "secret");
  ASSERT_TRUE(client_.drop("identity/a"));
  const auto gone = client_.get("identity/a");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().reason, Reason::not_found);
  const Fd unsealed(::memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_FALSE(client_.put("identity/b", unsealed.get()));
  EXPECT_FALSE(client_.put("identity/b", STDIN_FILENO));
}

TEST_F(Hold, runs_with_two_capabilities_and_without_gaining_more) {
  std::ifstream status("/proc/" + std::to_string(hold_.pid()) + "/status");
  std::string text((std::istreambuf_iterator<char>(status)), {});
  // CAP_SYS_ADMIN is bit 21, CAP_NET_ADMIN bit 12.
  EXPECT_NE(text.find("CapEff:\t0000000000201000"), std::string::npos) << text;
  EXPECT_NE(text.find("CapPrm:\t0000000000201000"), std::string::npos);
  EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos);
}

TEST_F(Hold, a_second_hold_on_the_same_socket_refuses_to_start) {
  const std::string command = std::string(std::getenv("KEELSON_BIN")) + "/keelson-hold --run-dir " +
                              folder_.path() + " 2>/dev/null";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
  EXPECT_TRUE(client_.register_pod("pod-a", pod_.path()));
}

}  // namespace
}  // namespace keelson::netns_test
