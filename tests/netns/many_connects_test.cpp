// A pod with 1,000 ephemeral ports may have far more connections than that, direct and captured.
#include <sys/resource.h>

#include "lab_command.h"
#include "support/netns_lab.h"
#include "support/netns_thread.h"

namespace keelson::test {
namespace {

constexpr int kDestinations = 20;
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
                        pod_yaml("shop", "client", "node1")};
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

  // How many of `each` connections to each Service succeed while all stay open.
  int open_connections(std::string_view app, int each) {
    std::vector<Endpoint> destinations;
    for (int i = 0; i < kDestinations; ++i)
      destinations.push_back(lab().service4("shop", std::string(app) + std::to_string(i), 80));
    std::vector<Connection> open;
    in_namespace(lab().netns("client"), [&] {
      for (int round = 0; round < each; ++round)
        for (const Endpoint& to : destinations) {
          Connection connection = connect_here(to);
          if (connection.is_open()) open.push_back(std::move(connection));
        }
    });
    return static_cast<int>(open.size());
  }
};

TEST_F(ManyConnects, FiveThousandDirectConnectionsFromAThousandPorts) {
  std::vector<std::unique_ptr<TcpServer>> servers;
  for (int i = 0; i < kDestinations; ++i)
    servers.push_back(
        std::make_unique<TcpServer>(lab().netns("near"), static_cast<uint16_t>(kFirstPort + i)));
  EXPECT_EQ(open_connections("near", 250), 5000);
}

TEST_F(ManyConnects, CapturedConnectionsAreNotLimitedToOnePortEach) {
  // Without a proxy they wait in one listener's backlog, which holds 4,096: see proxy tests for
  // 5,000. A single capture port would end at 1,000.
  EXPECT_EQ(open_connections("far", 150), 3000);
}

}  // namespace
}  // namespace keelson::test
