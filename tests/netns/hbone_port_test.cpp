// The HBONE port and our listeners are nothing that a pod can dial, and 15008 stays a pod's own.
#include <arpa/inet.h>

#include <fstream>
#include <sstream>

#include "support/netns_lab.h"
#include "support/netns_thread.h"

namespace keelson::test {
namespace {

struct HbonePort : LabTest<HbonePort> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + pod_yaml("shop", "pay", "node1") +
                        pod_yaml("shop", "web", "node1") + pod_yaml("shop", "far", "node2")};
  }
};

// Ports on which something listens at 127.0.0.1 (field 2: local address, field 4: 0A = LISTEN).
std::vector<uint16_t> loopback_listeners(const std::string& netns) {
  std::vector<uint16_t> ports;
  in_namespace(netns, [&] {
    std::ifstream table("/proc/thread-self/net/tcp");
    for (std::string line; std::getline(table, line);) {
      std::istringstream fields(line);
      std::string index, local, remote, state;
      fields >> index >> local >> remote >> state;
      if (state == "0A" && local.starts_with("0100007F:"))
        ports.push_back(static_cast<uint16_t>(std::stoul(local.substr(9), nullptr, 16)));
    }
  });
  return ports;
}

TEST_F(HbonePort, APodThatDials15008OfAnyPodIsRefusedAndCounted) {
  ASSERT_TRUE(lab().wait_settled());
  const uint64_t before = lab().counter("node1", "hbone_port_dial");
  for (const Endpoint& to : {lab().pod4("pay", 15008), lab().pod6("pay", 15008),
                             lab().pod4("far", 15008), lab().pod6("far", 15008)})
    EXPECT_EQ(connect_in(lab().netns("web"), to).error, EPERM) << to.to_string();
  EXPECT_TRUE(wait_until([&] { return lab().counter("node1", "hbone_port_dial") >= before + 4; }));
}

TEST_F(HbonePort, DiallingAListenerByHandYieldsNoByte) {
  ASSERT_TRUE(lab().wait_settled());
  auto ports = loopback_listeners(lab().netns("pay"));
  ASSERT_FALSE(ports.empty()) << "hold should have made listeners";
  for (uint16_t port : ports) {
    auto inside = connect_in(lab().netns("pay"), endpoint("127.0.0.1", port));
    if (inside.is_open()) {
      EXPECT_TRUE(inside.send("GET / HTTP/1.1\r\n\r\n"));
      EXPECT_EQ(inside.receive(1, std::chrono::milliseconds(200)), "");
    }
    auto outside = connect_in(lab().netns("web"), lab().pod4("pay", port));
    EXPECT_FALSE(outside.is_open()) << port;
  }
}

TEST_F(HbonePort, APodThatBinds15008ItselfKeepsItsPort) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer own(lab().netns("pay"), 15008, "mine\n");
  ASSERT_EQ(own.listen_error(), 0) << strerror(own.listen_error());
  for (std::string_view address : {"127.0.0.1", "::1"}) {
    auto connection = connect_in(lab().netns("pay"), endpoint(address, 15008));
    ASSERT_EQ(connection.error, 0) << address << " " << strerror(connection.error);
    EXPECT_EQ(connection.receive(5), "mine\n");
  }
  // And the pod's other ports go on as before.
  TcpServer pay(lab().netns("pay"), 8080);
  EXPECT_EQ(connect_in(lab().netns("web"), lab().pod4("pay", 8080)).receive(6), "hello\n");
}

}  // namespace
}  // namespace keelson::test
