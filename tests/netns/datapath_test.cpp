// agent/datapath against the kernel: own bpffs, own cgroup, own namespaces.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/ip_address.h"
#include "compile/rows.h"
#include "datapath/counters.h"
#include "datapath/cutter.h"
#include "datapath/events.h"
#include "datapath/kernel_check.h"
#include "datapath/kernel_inventory.h"
#include "datapath/kernel_maps.h"
#include "datapath/loader.h"
#include "datapath/tc_filter.h"
#include "netns/hold_process.h"

namespace keelson::netns_test {
namespace {

using compile::bytes_of;
using compile::MapId;
using datapath::Connection;
using datapath::Counters;
using datapath::FlowEvents;
using datapath::KernelMaps;
using datapath::Loader;

std::vector<uint32_t> programs_at(const EmptyCgroup& cgroup, bpf_attach_type type) {
  const Fd folder(::open(cgroup.path().c_str(), O_RDONLY | O_CLOEXEC));
  uint32_t ids[16] = {};
  uint32_t count = 16;
  EXPECT_EQ(bpf_prog_query(folder.get(), type, 0, nullptr, ids, &count), 0);
  return {ids, ids + count};
}

sockaddr_storage to_sockaddr(const std::string& ip, uint16_t port, socklen_t& length) {
  sockaddr_storage address{};
  length = Endpoint{*IpAddress::parse(ip), port}.to_sockaddr(address);
  return address;
}

Fd listen_in(const Namespace& pod, const std::string& ip, uint16_t port) {
  Fd listener = pod.socket(AF_INET, SOCK_STREAM);
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t length = 0;
  const sockaddr_storage address = to_sockaddr(ip, port, length);
  EXPECT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  EXPECT_EQ(::listen(listener.get(), 64), 0);
  return listener;
}

// The socket, or none with errno.
Fd dial_from(const Namespace& pod, const std::string& ip, uint16_t port) {
  Fd socket = pod.socket(AF_INET, SOCK_STREAM);
  const timeval limit{0, 500'000};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const linger abort_on_close{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close);
  socklen_t length = 0;
  const sockaddr_storage address = to_sockaddr(ip, port, length);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0)
    return socket;
  const int failure = errno;
  socket.reset();
  errno = failure;
  return socket;
}

uint16_t local_port(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length);
  return Endpoint::from_sockaddr(address)->port;
}

class Datapath : public testing::Test {
 protected:
  void SetUp() override {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    run("ip -n " + node_.name() + " link add br0 type bridge");
    run("ip -n " + node_.name() + " link set br0 up");
    run("ip -n " + node_.name() + " addr add 10.98.0.1/24 dev br0");
    connect_pod(node_, pod_, "p0", "10.98.0.2/24");
    run("ip -n " + node_.name() + " link set p0 master br0");
  }
  std::unique_ptr<Loader> load() {
    auto loader = Loader::load({bpffs_.pins(), cgroup_.path()});
    EXPECT_TRUE(loader) << loader.error().message();
    return loader ? std::move(*loader) : nullptr;
  }
  uint32_t host_ifindex() {
    TemporaryFolder folder;
    node_.run("cat /sys/class/net/p0/ifindex > " + folder.path() + "/index");
    uint32_t index = 0;
    std::ifstream(folder.path() + "/index") >> index;
    return index;
  }

  Bpffs bpffs_;
  EmptyCgroup cgroup_;
  Namespace node_{"node"};
  Namespace pod_{"pod"};
};

constexpr bpf_attach_type kNodeHooks[] = {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT,
                                          BPF_CGROUP_INET4_GETPEERNAME,
                                          BPF_CGROUP_INET6_GETPEERNAME, BPF_CGROUP_SOCK_OPS};

TEST_F(Datapath, a_restart_updates_every_link_in_place_and_adds_none) {
  auto first = load();
  ASSERT_TRUE(first->attach_node());
  ASSERT_TRUE(first->attach_lookup(3, pod_.path()));
  const auto lookup_before = first->pins().find_link("lookup_3");
  std::vector<uint32_t> before;
  for (const bpf_attach_type hook : kNodeHooks) {
    ASSERT_EQ(programs_at(cgroup_, hook).size(), 1U);
    before.push_back(programs_at(cgroup_, hook)[0]);
  }
  first.reset();  // the agent dies: pins keep everything attached
  for (const bpf_attach_type hook : kNodeHooks) EXPECT_EQ(programs_at(cgroup_, hook).size(), 1U);

  auto second = load();
  ASSERT_TRUE(second->attach_node());
  ASSERT_TRUE(second->attach_lookup(3, pod_.path()));
  for (size_t i = 0; i < std::size(kNodeHooks); ++i) {
    const auto programs = programs_at(cgroup_, kNodeHooks[i]);
    ASSERT_EQ(programs.size(), 1U);
    EXPECT_NE(programs[0], before[i]) << "the old program still runs";
  }
  const auto lookup_after = second->pins().find_link("lookup_3");
  ASSERT_TRUE(lookup_before && lookup_after);
  EXPECT_NE(lookup_after->program_id, lookup_before->program_id);
  EXPECT_EQ(second->pins().list("link_").size(), 5U);
  ASSERT_TRUE(second->detach_all());
  for (const bpf_attach_type hook : kNodeHooks) EXPECT_TRUE(programs_at(cgroup_, hook).empty());
}

TEST_F(Datapath, the_inventory_names_programs_and_where_they_hang) {
  auto loader = load();
  auto maps = KernelMaps::open(loader->pins());
  ASSERT_TRUE(maps);
  ASSERT_TRUE(loader->attach_node());
  ASSERT_TRUE(loader->attach_lookup(3, pod_.path()));
  const datapath::KernelInventory kernel(*loader, *maps);
  const auto programs = kernel.programs();
  const auto links = kernel.links();
  ASSERT_TRUE(programs && links);
  std::map<uint32_t, std::string> names;
  for (const auto& program : programs->list) {
    names[program.id] = program.name;
    EXPECT_GT(program.memory_bytes, 0U) << program.name;
  }
  std::map<std::string, std::string> seen;  // "pin" -> "program at hook"
  for (const auto& link : *links) {
    seen[link.pin] = names[link.program_id] + " at " + link.hook;
    EXPECT_NE(link.target, 0U) << link.pin;
    EXPECT_NE(link.id, 0U) << link.pin;
  }
  EXPECT_EQ(seen,
            (std::map<std::string, std::string>{{"link_connect4", "ks_connect4 at connect4"},
                                                {"link_connect6", "ks_connect6 at connect6"},
                                                {"link_getpeer4", "ks_getpeer4 at getpeername4"},
                                                {"link_getpeer6", "ks_getpeer6 at getpeername6"},
                                                {"link_sockops", "ks_sockops at sock_ops"},
                                                {"lookup_3", "ks_sk_lookup at sk_lookup"}}));
  ASSERT_TRUE(loader->detach_all());
}

TEST_F(Datapath, a_link_whose_namespace_is_gone_is_unlinked_at_the_next_start) {
  auto loader = load();
  {
    Namespace gone("gone");
    ASSERT_TRUE(loader->attach_lookup(7, gone.path()));
    EXPECT_TRUE(loader->lookup_attached(7, gone.path()));
  }
  // The namespace ends asynchronously.
  for (int i = 0; i < 500 && loader->pins().find_link("lookup_7")->target != 0; ++i)
    ::poll(nullptr, 0, 10);
  ASSERT_EQ(loader->pins().find_link("lookup_7")->target, 0U);
  ASSERT_TRUE(loader->attach_node());
  EXPECT_FALSE(loader->pins().find_link("lookup_7"));
  ASSERT_TRUE(loader->detach_all());
}

TEST_F(Datapath, a_slot_taken_over_by_another_pod_moves_its_lookup_there) {
  auto loader = load();
  Namespace other("other");
  ASSERT_TRUE(loader->attach_lookup(1, pod_.path()));
  ASSERT_TRUE(loader->attach_lookup(1, other.path()));
  EXPECT_TRUE(loader->lookup_attached(1, other.path()));
  EXPECT_FALSE(loader->lookup_attached(1, pod_.path()));
}

TEST_F(Datapath, an_enrolled_pod_without_rows_refuses_and_a_released_one_accepts) {
  auto loader = load();
  const Fd app = listen_in(pod_, "10.98.0.2", 8080);
  ASSERT_TRUE(dial_from(node_, "10.98.0.2", 8080));
  ASSERT_TRUE(loader->attach_lookup(0, pod_.path()));
  EXPECT_FALSE(dial_from(node_, "10.98.0.2", 8080));
  EXPECT_EQ(errno, ECONNREFUSED);
  const auto counters = Counters::open(loader->pins());
  ASSERT_TRUE(counters);
  EXPECT_GE(*counters->read(Reason::unknown_local_address), 1U);
  const auto all = counters->read();
  ASSERT_TRUE(all);
  EXPECT_TRUE(std::any_of(all->begin(), all->end(), [](const datapath::ReasonCount& count) {
    return count.reason == Reason::unknown_local_address && count.count > 0;
  }));
  ASSERT_TRUE(loader->release(0, 0, 1));
  EXPECT_TRUE(dial_from(node_, "10.98.0.2", 8080));
  EXPECT_TRUE(loader->release(0, 0, 1)) << "releasing twice is no error";
}

TEST_F(Datapath, listeners_are_recognised_by_their_cookie_and_reinstalled_when_lost) {
  auto loader = load();
  datapath::SlotListeners listeners;
  listeners[0] = listen_in(pod_, "127.0.0.1", 0);
  listeners[1] = listen_in(pod_, "127.0.0.1", 0);
  EXPECT_FALSE(loader->listeners_installed(2, listeners));
  ASSERT_TRUE(loader->install_listeners(2, listeners));
  EXPECT_TRUE(loader->listeners_installed(2, listeners));
  EXPECT_FALSE(loader->listeners_installed(3, listeners));
  listeners[1] = listen_in(pod_, "127.0.0.1", 0);  // the old one closes: its entry vanishes
  EXPECT_FALSE(loader->listeners_installed(2, listeners));
  ASSERT_TRUE(loader->install_listeners(2, listeners));
  EXPECT_TRUE(loader->listeners_installed(2, listeners));
  ASSERT_TRUE(loader->release(2, 0, 1));
  EXPECT_FALSE(loader->listeners_installed(2, listeners));
}

TEST_F(Datapath, the_source_check_drops_what_does_not_belong_to_the_pod_and_says_so) {
  auto loader = load();
  const uint32_t ifindex = host_ifindex();
  auto maps = KernelMaps::open(loader->pins());
  ASSERT_TRUE(maps && maps->become_owner());
  const Fd app = listen_in(node_, "10.98.0.1", 8080);
  ASSERT_TRUE(dial_from(pod_, "10.98.0.1", 8080));
  node_.inside([&] { ASSERT_TRUE(loader->attach_source_check(ifindex)); });
  node_.inside([&] { EXPECT_TRUE(loader->source_check_attached(ifindex)); });
  ASSERT_TRUE(dial_from(pod_, "10.98.0.1", 8080)) << "no ks_interface row: not a pod of ours";

  std::vector<ks_event> seen;
  const auto events =
      FlowEvents::open(loader->pins(), [&seen](const ks_event& event) { seen.push_back(event); });
  ASSERT_TRUE(events);
  ASSERT_TRUE(maps->put(MapId::kInterface, bytes_of(ifindex), bytes_of(ks_interface{4711})));
  EXPECT_FALSE(dial_from(pod_, "10.98.0.1", 8080));
  pollfd readable{(*events)->epoll_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&readable, 1, 1000), 1);
  ASSERT_TRUE((*events)->drain());
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].reason, KS_REASON_source_spoofed);
  EXPECT_EQ(seen[0].source_pod, 4711U);
  EXPECT_EQ(Endpoint::from_raw(seen[0].source).address.to_string(), "10.98.0.2");
  EXPECT_EQ(seen[0].verdict, KS_DENY);

  const ks_addr address = IpAddress::parse("10.98.0.2")->raw();
  ASSERT_TRUE(maps->put(MapId::kAddress, bytes_of(address),
                        bytes_of(ks_address{4711, 0, KS_ADDRESS_LOCAL, 0})));
  EXPECT_TRUE(dial_from(pod_, "10.98.0.1", 8080));
  node_.inside([&] { ASSERT_TRUE(loader->release(0, ifindex, 1)); });
  EXPECT_FALSE(loader->source_check_attached(ifindex));
}

TEST_F(Datapath, clsact_replaces_its_own_filter_and_detaches_without_complaint) {
  bpf_insn code[2]{};
  code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  code[0].imm = 2;  // TC_ACT_SHOT
  code[1].code = BPF_JMP | BPF_EXIT;
  const Fd drop_all(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "drop", "GPL", code, 2, nullptr));
  ASSERT_TRUE(drop_all);
  const uint32_t ifindex = host_ifindex();
  const Fd app = listen_in(node_, "10.98.0.1", 8080);
  ASSERT_TRUE(dial_from(pod_, "10.98.0.1", 8080));  // resolves the neighbour: ARP is dropped too
  node_.inside([&] {
    EXPECT_FALSE(datapath::clsact_attached(ifindex));
    EXPECT_TRUE(datapath::detach_clsact(ifindex));
    EXPECT_TRUE(datapath::attach_clsact(drop_all.get(), ifindex));
    EXPECT_TRUE(datapath::attach_clsact(drop_all.get(), ifindex));
    EXPECT_TRUE(datapath::clsact_attached(ifindex));
  });
  EXPECT_FALSE(dial_from(pod_, "10.98.0.1", 8080));
  node_.inside([&] { EXPECT_TRUE(datapath::detach_clsact(ifindex)); });
  EXPECT_TRUE(dial_from(pod_, "10.98.0.1", 8080)) << "a second filter was left";
}

TEST_F(Datapath, rows_written_are_the_rows_read_in_every_map) {
  auto loader = load();
  auto maps = KernelMaps::open(loader->pins());
  ASSERT_TRUE(maps && maps->become_owner());
  compile::Rows rows;
  const auto add = [&rows](MapId map, const auto& key, const auto& value) {
    rows[{map, bytes_of(key)}] = bytes_of(value);
  };
  ks_pod pod{};
  pod.identity = 1;
  pod.slot = 9;
  add(MapId::kPod, uint64_t{5}, pod);
  add(MapId::kPort, ks_port_key{5, 80, 0, 0}, ks_port{KS_PORT_PROBE});
  for (uint32_t i = 0; i < 5000; ++i)
    add(MapId::kAddress, ks_addr{{1, 2, 3, i}}, ks_address{5, i, KS_ADDRESS_LOCAL, 0});
  add(MapId::kInterface, uint32_t{7}, ks_interface{5});
  add(MapId::kService, ks_service_key{{{1}}, 80, IPPROTO_TCP, 0}, ks_service{3, 1, 0});
  add(MapId::kBackend, ks_backend_key{3, 0, 0}, ks_backend{{{{9}}, 8080, 0}});
  add(MapId::kSet, uint64_t{11}, ks_set{0, 1});
  add(MapId::kClassId, ks_class_id_key{11, 12}, uint32_t{2});
  add(MapId::kClassPort, ks_class_port_key{11, 80, 0, 0}, uint32_t{3});
  for (uint32_t i = 0; i < 3000; ++i)
    add(MapId::kClassAddr, ks_class_addr_key{64 + 128, 0, 11, {{4, 3, 2, i}}}, uint32_t{4});
  add(MapId::kPolicy, ks_policy_key{11, 1, 0, 0}, ks_policy{77, KS_ALLOW, 0, {}});
  for (const auto& [row, value] : rows) ASSERT_TRUE(maps->put(row.map, row.key, value));
  EXPECT_EQ(maps->writes(), rows.size());
  const auto read = maps->read_all();
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, rows);

  const auto kept = datapath::KernelInventory(*loader, *maps).maps();
  ASSERT_TRUE(kept) << kept.error().message();
  const auto entries_of = [&](std::string_view name) -> std::optional<uint64_t> {
    for (const auto& map : *kept)
      if (map.name == name) return map.entries;
    return std::nullopt;
  };
  EXPECT_EQ(entries_of("ks_address"), 5000U);
  EXPECT_EQ(entries_of("ks_class_addr"), 3000U);
  EXPECT_EQ(entries_of("ks_listener"), 0U);
  EXPECT_FALSE(entries_of("ks_socket")) << "socket storage has no iterator";
  const auto pods = maps->read("ks_pod");
  ASSERT_TRUE(pods);
  EXPECT_EQ(pods->size(), 1U);
  const auto none = maps->read("ks_tuple");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().reason, Reason::not_found);

  for (const auto& [row, value] : rows) ASSERT_TRUE(maps->erase(row.map, row.key));
  EXPECT_TRUE(maps->erase(MapId::kPod, bytes_of(uint64_t{5}))) << "not there is no error";
  EXPECT_EQ(maps->writes(), 2 * rows.size());
  EXPECT_TRUE(maps->read_all()->empty());
}

TEST_F(Datapath, an_agent_that_was_replaced_or_never_took_over_writes_nothing) {
  auto loader = load();
  auto old_agent = KernelMaps::open(loader->pins());
  auto new_agent = KernelMaps::open(loader->pins());
  ASSERT_TRUE(old_agent && new_agent);
  const compile::RowBytes key = bytes_of(uint32_t{7});
  const compile::RowBytes value = bytes_of(ks_interface{5});
  auto early = old_agent->put(MapId::kInterface, key, value);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().reason, Reason::fenced);
  ASSERT_TRUE(old_agent->become_owner());
  ASSERT_TRUE(old_agent->put(MapId::kInterface, key, value));
  EXPECT_FALSE(new_agent->is_owner());
  ASSERT_TRUE(new_agent->become_owner());
  EXPECT_FALSE(old_agent->is_owner());
  const auto late = old_agent->erase(MapId::kInterface, key);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, Reason::fenced);
  EXPECT_EQ(new_agent->read_all()->size(), 1U);
  EXPECT_TRUE(new_agent->erase(MapId::kInterface, key));
  const auto wrong = new_agent->put(MapId::kInterface, "x", value);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().reason, Reason::internal);
}

TEST_F(Datapath, a_pinned_map_of_another_layout_is_named_with_the_fix) {
  std::filesystem::create_directory(bpffs_.pins());
  const Fd other(bpf_map_create(BPF_MAP_TYPE_HASH, "ks_pod", 8, 16, 1025, nullptr));
  ASSERT_EQ(bpf_obj_pin(other.get(), (bpffs_.pins() + "/ks_pod").c_str()), 0);
  const auto loader = Loader::load({bpffs_.pins(), cgroup_.path()});
  ASSERT_FALSE(loader);
  EXPECT_EQ(loader.error().reason, Reason::bpf_load_failed);
  EXPECT_THAT(loader.error().context, testing::HasSubstr("map ks_pod was pinned with"));
  EXPECT_THAT(loader.error().context, testing::HasSubstr("remove " + bpffs_.pins()));
}

TEST_F(Datapath, a_pin_folder_outside_a_bpffs_is_refused_with_the_fix) {
  TemporaryFolder plain;
  const auto loader = Loader::load({plain.path() + "/pins", cgroup_.path()});
  ASSERT_FALSE(loader);
  EXPECT_EQ(loader.error().reason, Reason::kernel_feature_missing);
  EXPECT_THAT(loader.error().context, testing::HasSubstr("mount -t bpf"));
}

TEST_F(Datapath, sweeping_removes_only_tuples_that_are_old_enough) {
  auto loader = load();
  const auto tuples = loader->pins().open_map("ks_tuple");
  ASSERT_TRUE(tuples);
  for (const uint64_t written : {100, 200, 300}) {
    ks_tuple_key key{};
    key.pod = written;
    ks_attestation row{};
    row.written_ns = written;
    ASSERT_EQ(bpf_map_update_elem(tuples->get(), &key, &row, BPF_ANY), 0);
  }
  const auto swept = loader->sweep_tuples(200);
  ASSERT_TRUE(swept) << swept.error().message();
  EXPECT_EQ(*swept, 2U);
  EXPECT_EQ(*loader->sweep_tuples(200), 0U);
  EXPECT_EQ(*Counters::open(loader->pins())->read(Reason::tuple_swept), 2U);
}

class Cutting : public Datapath {
 protected:
  struct Open {
    Fd client;
    Fd served;
  };
  Open connect_one() {
    Open open;
    open.client = dial_from(node_, "10.98.0.2", 8080);
    open.served = Fd(::accept4(app_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(open.client && open.served);
    return open;
  }
  bool alive(const Open& open) {
    char byte = 'x';
    if (::send(open.client.get(), &byte, 1, MSG_NOSIGNAL) != 1) return false;
    pollfd readable{open.served.get(), POLLIN, 0};
    return ::poll(&readable, 1, 1000) == 1 && ::recv(open.served.get(), &byte, 1, 0) == 1;
  }
  Fd app_ = listen_in(pod_, "0.0.0.0", 8080);
  Fd diag_ = pod_.socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
};

TEST_F(Cutting, destroys_exactly_the_chosen_connection) {
  const Open first = connect_one();
  const Open second = connect_one();
  const auto connections = datapath::list_connections(diag_, -1);
  ASSERT_TRUE(connections) << connections.error().message();
  ASSERT_EQ(connections->size(), 2U);
  EXPECT_TRUE((*connections)[0].accepted);
  EXPECT_EQ((*connections)[0].local.to_string(), "10.98.0.2:8080");
  const uint16_t victim = local_port(second.client);
  const auto cut = datapath::cut_connections(
      diag_, *connections, [&](const Connection& found) { return found.remote.port == victim; });
  ASSERT_TRUE(cut) << cut.error().message();
  EXPECT_EQ(*cut, 1U);
  EXPECT_TRUE(alive(first));
  char byte = 0;
  EXPECT_EQ(::recv(second.served.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNABORTED);
  EXPECT_TRUE(alive(connect_one()));
}

TEST_F(Cutting, never_destroys_a_listener_when_the_connection_is_gone) {
  Open vanishing = connect_one();
  const auto connections = datapath::list_connections(diag_, -1);
  ASSERT_TRUE(connections);
  ASSERT_EQ(connections->size(), 1U);
  vanishing.client.reset();  // SO_LINGER 0: RST, so the 4-tuple is gone on both sides
  pollfd reset{vanishing.served.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&reset, 1, 1000), 1);
  vanishing.served.reset();
  const auto cut =
      datapath::cut_connections(diag_, *connections, [](const Connection&) { return true; });
  ASSERT_TRUE(cut) << cut.error().message();
  EXPECT_EQ(*cut, 0U);
  EXPECT_TRUE(alive(connect_one())) << "the listener was destroyed";
}

TEST_F(Cutting, refuses_to_cut_without_a_cookie) {
  const Open open = connect_one();
  auto connections = datapath::list_connections(diag_, -1);
  ASSERT_TRUE(connections);
  for (const uint64_t cookie : {uint64_t{0}, ~uint64_t{0}}) {
    (*connections)[0].cookie = cookie;
    EXPECT_FALSE(
        datapath::cut_connections(diag_, *connections, [](const Connection&) { return true; }));
  }
  EXPECT_TRUE(alive(open));
}

TEST_F(Cutting, lists_what_the_kernel_attests_about_a_connection) {
  auto loader = load();
  const auto records = loader->pins().open_map("ks_socket");
  ASSERT_TRUE(records);
  const Open attested = connect_one();
  const Open plain = connect_one();
  ks_attestation facts{};
  facts.kind = KS_KIND_DIRECT;
  facts.source_identity = 42;
  const int key = attested.served.get();
  ASSERT_EQ(bpf_map_update_elem(records->get(), &key, &facts, BPF_ANY), 0);
  const auto connections = datapath::list_connections(diag_, records->get());
  ASSERT_TRUE(connections) << connections.error().message();
  ASSERT_EQ(connections->size(), 2U);
  for (const Connection& found : *connections) {
    const bool expected = found.cookie == socket_cookie(attested.served);
    ASSERT_EQ(found.attestation.has_value(), expected);
    if (expected) {
      EXPECT_EQ(found.attestation->source_identity, 42U);
    }
  }
}

TEST_F(Cutting, lists_the_pods_own_dials_as_not_accepted) {
  const Fd outside = listen_in(node_, "10.98.0.1", 9090);
  const Fd own = dial_from(pod_, "10.98.0.1", 9090);
  ASSERT_TRUE(own);
  const auto connections = datapath::list_connections(diag_, -1);
  ASSERT_TRUE(connections);
  ASSERT_EQ(connections->size(), 1U);
  EXPECT_FALSE((*connections)[0].accepted);
  EXPECT_EQ((*connections)[0].remote.to_string(), "10.98.0.1:9090");
}

TEST_F(Datapath, this_kernel_has_all_that_is_needed) {
  for (const datapath::KernelCheck& check : datapath::check_kernel(bpffs_.pins()))
    EXPECT_NE(check.level, datapath::CheckLevel::kError)
        << check.name << ": " << check.text << " (" << check.hint << ")";
  TemporaryFolder plain;
  const auto checks = datapath::check_kernel(plain.path());
  EXPECT_TRUE(std::any_of(checks.begin(), checks.end(), [](const datapath::KernelCheck& check) {
    return check.name == "bpffs" && check.level == datapath::CheckLevel::kError;
  }));
}

}  // namespace
}  // namespace keelson::netns_test
