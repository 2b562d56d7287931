// The agent may restart or die: nothing in the kernel changes, and no direct request fails.
#include <filesystem>

#include "lab_command.h"
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

namespace fs = std::filesystem;

struct AgentRestart : LabTest<AgentRestart> {
  static NetnsLabOptions options() {
    return {.manifest =
                namespace_yaml("shop", true) + namespace_yaml("outlaw", true) +
                account_yaml("outlaw", "mallory") + service_yaml("shop", "pay", 80, 8080) +
                pod_yaml("shop", "pay", "node1") + pod_yaml("shop", "web", "node1") +
                pod_yaml("outlaw", "mallory", "node1", "mallory") +
                deny_yaml("shop", "no-mallory", "pay", "cluster.local/ns/outlaw/sa/mallory")};
  }

  bool can_call(std::string_view from) {
    auto connection = connect_in(lab().netns(from), lab().service4("shop", "pay", 80));
    return connection.is_open() && connection.send("ping") &&
           connection.receive(10) == "hello\nping";
  }
  int agent_pid() { return lab().agent_status("node1").value("pid", 0); }
};

TEST_F(AgentRestart, ARestartedAgentWritesNoRow) {
  ASSERT_TRUE(lab().wait_settled());
  EXPECT_GT(lab().map_writes("node1"), 0u) << "the first start writes, so the count works";
  const int before = agent_pid();
  lab().kill(lab::Component::kAgent, "node1");
  ASSERT_TRUE(wait_until([&] { return agent_pid() != 0 && agent_pid() != before; }));
  ASSERT_TRUE(lab().wait_settled());
  EXPECT_EQ(lab().map_writes("node1"), 0u);
}

TEST_F(AgentRestart, TheOtherNodeDoesNotNotice) {
  ASSERT_TRUE(lab().wait_settled());
  const uint64_t writes = lab().map_writes("node2");
  EXPECT_GT(writes, 0u);
  for (int i = 0; i < 3; ++i) {
    const int before = agent_pid();
    lab().kill(lab::Component::kAgent, "node1");
    ASSERT_TRUE(wait_until([&] { return agent_pid() != 0 && agent_pid() != before; }));
    ASSERT_TRUE(lab().wait_settled());
    // Were its pods announced as joining meanwhile, node2 would have sent to them in the clear.
    EXPECT_EQ(lab().map_writes("node2"), writes);
  }
}

TEST_F(AgentRestart, ApplyingAnUnchangedFolderWritesNoRow) {
  ASSERT_TRUE(lab().wait_settled());
  const uint64_t before = lab().map_writes("node1");
  const auto namespaces = [&] {
    return lab().agent_status("node1").value("/objects/namespaces"_json_pointer, 0);
  };
  const int namespaces_before = namespaces();
  for (const auto& entry : fs::directory_iterator(lab().layout().objects_dir())) {
    auto text = lab::read_text(entry.path());
    ASSERT_TRUE(text);
    ASSERT_TRUE(lab::replace_file(entry.path(), *text, lab().layout().scratch_dir()));
  }
  // A new empty namespace is seen after all that, and means nothing to the kernel either.
  lab().apply(namespace_yaml("empty", false), "empty.yaml");
  ASSERT_TRUE(wait_until([&] { return namespaces() == namespaces_before + 1; }));
  ASSERT_TRUE(lab().wait_settled());
  EXPECT_EQ(lab().map_writes("node1"), before);
}

TEST_F(AgentRestart, WhileTheAgentIsDeadDirectFlowsGoOnAndDenialsHold) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  auto open = connect_in(lab().netns("web"), lab().service4("shop", "pay", 80));
  ASSERT_EQ(open.receive(6), "hello\n");
  lab().kill(lab::Component::kAgent, "node1", /*restart=*/false);
  ASSERT_TRUE(wait_until([&] { return !lab().status().process("agent@node1")->running; }));
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(open.send("x"));
    ASSERT_EQ(open.receive(1), "x");
    ASSERT_TRUE(can_call("web")) << i;
    ASSERT_FALSE(can_call("mallory")) << i;
  }
  lab().start(lab::Component::kAgent, "node1");
  ASSERT_TRUE(lab().wait_ready());
  EXPECT_TRUE(can_call("web"));
  EXPECT_FALSE(can_call("mallory"));
  EXPECT_TRUE(open.send("y"));
  EXPECT_EQ(open.receive(1), "y");
}

TEST_F(AgentRestart, NoRequestFailsWhileAgentAndHoldAreKilledAgainAndAgain) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  for (lab::Component component :
       {lab::Component::kAgent, lab::Component::kHold, lab::Component::kAgent}) {
    lab().kill(component, "node1");
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(can_call("web")) << lab::component_name(component) << " " << i;
      ASSERT_FALSE(can_call("mallory")) << lab::component_name(component) << " " << i;
    }
    ASSERT_TRUE(lab().wait_ready());
  }
}

}  // namespace
}  // namespace keelson::test
