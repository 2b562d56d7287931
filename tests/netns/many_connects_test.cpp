// A pod with 1,000 ephemeral ports may have far more connections than that, direct and captured.
#include <sys/resource.h>

#include "lab_command.h"
#include "support/netns_lab.h"
#include "support/netns_thread.h"

namespace keelson::test {
namespace {

constexpr int kDestinations = 20;
constexpr int kEach = 250;
constexpr uint16_t kFirstPort = 9000;

std::string services() {
  std::string yaml;
  for (int i = 0; i < kDestinations; ++i)
    for (std::string_view app : {"near", "far"}) {
      std::string service = service_yaml("shop", app, 80, static_cast<uint16_t>(kFirstPort + i));
      const std::string name = "name: " + std::string(app) + ",";
      service.replace(service.find(name), name.size(),
                      "name: " + std::string(app) + std::to_string(i) + ",");
      yaml += service;
    }
  return yaml;
}

struct ManyConnects : LabTest<ManyConnects> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + services() +
                        pod_yaml("shop", "near", "node1") + pod_yaml("shop", "far", "node2") +
                        pod_yaml("shop", "client", "node1"),
            .without = {}};
  }

  void SetUp() override {
    LabTest<ManyConnects>::SetUp();
    constexpr rlim_t kFiles = 20000;
    rlimit files{kFiles, kFiles};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
    ASSERT_TRUE(lab::in_netns(lab().netns("client"), [] {
      return lab::write_file("/proc/sys/net/ipv4/ip_local_port_range", "40000 40999");
    }));
    ASSERT_TRUE(lab().wait_settled());
  }

  // How many of 250 connections to each Service get its banner while all stay open.
  size_t served_connections(std::string_view app) {
    std::vector<std::unique_ptr<TcpServer>> servers;
    std::vector<Endpoint> destinations;
    for (int i = 0; i < kDestinations; ++i) {
      servers.push_back(
          std::make_unique<TcpServer>(lab().netns(app), static_cast<uint16_t>(kFirstPort + i)));
      destinations.push_back(lab().service4("shop", std::string(app) + std::to_string(i), 80));
    }
    std::vector<Connection> open;
    in_namespace(lab().netns("client"), [&] {
      for (int round = 0; round < kEach; ++round)
        for (const Endpoint& to : destinations) {
          Connection connection = connect_here(to);
          if (connection.is_open()) open.push_back(std::move(connection));
        }
    });
    size_t served = 0;
    for (const Connection& connection : open) served += connection.receive(6) == "hello\n";
    return served;
  }
};

TEST_F(ManyConnects, FiveThousandDirectConnectionsFromAThousandPorts) {
  EXPECT_EQ(served_connections("near"), 5000u);
}

TEST_F(ManyConnects, FiveThousandConnectionsThroughTheProxiesFromAThousandPorts) {
  // A single capture port would end at 1,000. All are opened before the first is read: the proxies
  // must let thousands wait for the handshakes of their tunnels.
  EXPECT_EQ(served_connections("far"), 5000u)
      << lab().agent_status("node1")["proxy"] << lab().agent_status("node2")["proxy"];
}

}  // namespace
}  // namespace keelson::test
