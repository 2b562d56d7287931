// The lab itself, without the mesh: names, addresses, ClusterIPs, restarts, removal.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>

#include "lab_cleanup.h"
#include "lab_command.h"
#include "lab_process.h"
#include "support/netns_lab.h"
#include "support/packet_watch.h"

namespace keelson::test {
namespace {

const std::set<lab::Component> kNoComponents = {lab::Component::kHold, lab::Component::kAgent,
                                                lab::Component::kProxy};

struct Lab : LabTest<Lab> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", false) + service_yaml("shop", "pay", 80, 8080) +
                        pod_yaml("shop", "pay", "node2") + pod_yaml("shop", "web", "node1") +
                        pod_yaml("shop", "busy", "node1", "default",
                                 "  containers:\n  - {name: main, command: [sleep, '1000']}\n"),
            .without = kNoComponents};
  }
};

TEST_F(Lab, AServiceIsReachedOverBothFamiliesAndAcrossNodesWithTheClientsOwnAddress) {
  TcpServer pay(lab().netns("pay"), 8080);
  for (const Endpoint& to :
       {lab().service4("shop", "pay", 80), lab().service6("shop", "pay", 80)}) {
    auto connection = connect_in(lab().netns("web"), to);
    ASSERT_EQ(connection.error, 0) << strerror(connection.error);
    EXPECT_EQ(connection.peer, to);
    EXPECT_EQ(connection.receive(6), "hello\n");
  }
  auto peers = pay.accept_peers();
  ASSERT_EQ(peers.size(), 2u);
  EXPECT_EQ(peers[0].address.to_string(), lab().pod("web").ip4);
  EXPECT_EQ(peers[1].address.to_string(), lab().pod("web").ip6);
}

TEST_F(Lab, APodsConnectionToItsOwnServiceComesBackToIt) {
  TcpServer pay(lab().netns("pay"), 8080);
  auto connection = connect_in(lab().netns("pay"), lab().service4("shop", "pay", 80));
  ASSERT_EQ(connection.error, 0) << strerror(connection.error);
  EXPECT_EQ(connection.receive(6), "hello\n");
}

TEST_F(Lab, APacketWatchOnTheLinkSeesTheMarker) {
  TcpServer pay(lab().netns("pay"), 8080);
  PacketWatch link(lab().netns("node1"), "eth0");
  auto connection = connect_in(lab().netns("web"), lab().pod4("pay", 8080));
  ASSERT_TRUE(connection.send("a-marker-string"));
  EXPECT_TRUE(wait_until([&] { return link.has_seen("a-marker-string"); }));
  EXPECT_FALSE(link.has_seen("another-marker"));
}

TEST_F(Lab, AKilledPodProcessIsRestartedAndAnotherPodKeepsItsOwn) {
  const pid_t before = lab().status().process("pod:busy/main")->pid;
  auto id = lab::identify(before);
  ASSERT_TRUE(id);
  ASSERT_TRUE(lab::signal_process(*id, SIGKILL));
  EXPECT_TRUE(wait_until([&] {
    const auto now = lab().status();
    const auto* process = now.process("pod:busy/main");
    return process->running && process->pid != before && process->restarts == 1;
  }));
}

TEST_F(Lab, ADeletedPodLosesItsNamespaceAndItsEndpoint) {
  lab().apply(pod_yaml("shop", "extra", "node1") + service_yaml("shop", "extra", 80, 8080));
  const std::string netns = lab().netns("extra");
  const std::string slice =
      lab().layout().objects_dir() + "/lab-endpointslice-shop-extra-ipv4.yaml";
  EXPECT_TRUE(std::filesystem::exists(netns));
  EXPECT_TRUE(std::filesystem::exists(slice));
  lab().remove("Pod", "shop/extra");
  EXPECT_FALSE(std::filesystem::exists(netns));
  EXPECT_FALSE(std::filesystem::exists(slice));
}

TEST_F(Lab, ASecondLabOfTheSameNameIsRefusedWithTheHolder) {
  lab::Client second(lab().layout());
  auto up = second.up({});
  ASSERT_FALSE(up);
  EXPECT_NE(up.error().context.find("is already up (process "), std::string::npos)
      << up.error().context;
}

lab::Layout side_layout(const std::string& suffix) {
  lab::Layout layout;
  layout.prefix = "keelson-test-" + std::to_string(::getpid()) + suffix;
  layout.bin_dir = lab::find_bin_dir();
  layout.without = kNoComponents;
  return layout;
}

const lab::SourceFile kSidePods{
    "side.yaml", namespace_yaml("shop", false) +
                     pod_yaml("shop", "busy", "node1", "default",
                              "  containers:\n  - {name: main, command: [sleep, '1000']}\n")};

TEST(LabRemoval, AKilledSupervisorLeavesNoProcessAndTheNextLabRemovesTheRest) {
  lab::Client client(side_layout("x"));
  ASSERT_TRUE(client.up({}));
  ASSERT_TRUE(client.apply({kSidePods}));
  const pid_t pod = client.status()->process("pod:busy/main")->pid;
  auto supervisor = lab::recorded_pid(client.layout().supervisor_pid_file());
  ASSERT_TRUE(supervisor);
  ASSERT_TRUE(lab::signal_process(*supervisor, SIGKILL));
  EXPECT_TRUE(wait_until([&] { return !lab::identify(pod); }));
  EXPECT_FALSE(lab::leftovers(client.layout()).empty());
  ASSERT_TRUE(client.up({}));
  EXPECT_TRUE(client.status()->pods.empty());
  ASSERT_TRUE(client.down());
  EXPECT_TRUE(lab::leftovers(client.layout()).empty());
}

TEST(LabRemoval, ALabEndsWithTheProcessThatStartedItHoweverThatEnds) {
  const lab::Layout layout = side_layout("y");
  int up_pipe[2];
  ASSERT_EQ(::pipe2(up_pipe, O_CLOEXEC), 0);
  Fd up_read(up_pipe[0]), up_write(up_pipe[1]);
  pid_t child = ::fork();
  if (child == 0) {
    lab::Client client(layout);
    bool is_up = client.up({.manifests = "", .ends_with_us = true}) && client.apply({kSidePods});
    [[maybe_unused]] ssize_t n = ::write(up_write.get(), is_up ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  char is_up = 'n';
  ASSERT_EQ(::read(up_read.get(), &is_up, 1), 1);
  EXPECT_EQ(is_up, 'y');
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(wait_until([&] { return lab::leftovers(layout).empty(); }));
}

}  // namespace
}  // namespace keelson::test
