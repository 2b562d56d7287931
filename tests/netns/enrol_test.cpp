// The namespace label enrols and un-enrols running pods: processes and open connections stay.
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

const std::string kSleep = "  containers:\n  - {name: main, command: [sleep, '1000']}\n";

struct Enrol : LabTest<Enrol> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", false) + service_yaml("shop", "pay", 80, 8080) +
                        pod_yaml("shop", "pay", "node1", "default", kSleep) +
                        pod_yaml("shop", "web", "node1", "default", kSleep)};
  }
  std::vector<pid_t> pod_pids() {
    std::vector<pid_t> pids;
    for (const auto& process : lab().status().processes)
      if (!process.pod.empty()) pids.push_back(process.pid);
    return pids;
  }
  bool echoes(const Connection& connection) {
    return connection.send("ping") && connection.receive(4) == "ping";
  }
};

TEST_F(Enrol, TheLabelTurnsTheMeshOnAndOffUnderOpenConnections) {
  TcpServer pay(lab().netns("pay"), 8080, "");
  const Endpoint to = lab().service4("shop", "pay", 80);
  const auto pids = pod_pids();
  ASSERT_EQ(pids.size(), 2u);
  auto before = connect_in(lab().netns("web"), to);
  ASSERT_TRUE(echoes(before));
  EXPECT_EQ(lab().counter("node1", "direct"), 0u);

  lab().apply(namespace_yaml("shop", true), "ns.yaml");
  ASSERT_TRUE(lab().wait_workload("pay", "ready"));
  ASSERT_TRUE(lab().wait_workload("web", "ready"));
  EXPECT_TRUE(echoes(before));
  auto meshed = connect_in(lab().netns("web"), to);
  EXPECT_TRUE(echoes(meshed));
  EXPECT_EQ(meshed.peer, to);
  EXPECT_TRUE(wait_until([&] { return lab().counter("node1", "direct") >= 1; }));

  lab().apply(namespace_yaml("shop", false), "ns.yaml");
  ASSERT_TRUE(lab().wait_workload("pay", "unmeshed"));
  ASSERT_TRUE(lab().wait_workload("web", "unmeshed"));
  ASSERT_TRUE(lab().wait_settled());
  EXPECT_TRUE(echoes(before));
  EXPECT_TRUE(echoes(meshed));
  const uint64_t direct = lab().counter("node1", "direct");
  auto after = connect_in(lab().netns("web"), to);
  EXPECT_TRUE(echoes(after));
  EXPECT_EQ(lab().counter("node1", "direct"), direct);
  EXPECT_EQ(pod_pids(), pids);
}

TEST_F(Enrol, NoConnectFailsWhileTheLabelFlips) {
  TcpServer pay(lab().netns("pay"), 8080, "");
  const Endpoint to = lab().service4("shop", "pay", 80);
  for (bool is_meshed : {true, false, true, false}) {
    lab().apply(namespace_yaml("shop", is_meshed), "ns.yaml");
    const std::string_view state = is_meshed ? "ready" : "unmeshed";
    int calls = 0;
    ASSERT_TRUE(wait_until([&] {
      auto connection = connect_in(lab().netns("web"), to);
      EXPECT_TRUE(connection.is_open() && echoes(connection)) << strerror(connection.error);
      ++calls;
      if (HasFailure()) return true;
      const auto now = lab().agent_status("node1");
      for (const auto& workload : now.value("workloads", nlohmann::json::array()))
        if (workload["state"] != state) return false;
      return true;
    })) << state;
    EXPECT_GT(calls, 0);
  }
}

}  // namespace
}  // namespace keelson::test
