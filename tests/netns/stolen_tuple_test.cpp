// An attestation serves one connection: its 4-tuple cannot be used again by hand (datapath page:
// a tuple that lived until close could be stolen after FIN_WAIT2).
#include "support/netns_lab.h"
#include "support/packet_watch.h"
#include "support/raw_tcp.h"

namespace keelson::test {
namespace {

struct StolenTuple : LabTest<StolenTuple> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + pod_yaml("shop", "pay", "node1") +
                        pod_yaml("shop", "web", "node1")};
  }
};

TEST_F(StolenTuple, ASynOnTheTupleOfAnEndedConnectionIsRefused) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  PacketWatch at_pay(lab().netns("pay"), "eth0");
  auto connection = connect_in(lab().netns("web"), lab().pod4("pay", 8080));
  ASSERT_TRUE(connection.is_open()) << strerror(connection.error);
  ASSERT_EQ(connection.receive(6), "hello\n");
  // Our end closes first and stays in FIN_WAIT2, then TIME_WAIT; the server's end is gone.
  ASSERT_EQ(::shutdown(connection.fd.get(), SHUT_WR), 0);
  ASSERT_EQ(connection.wait_for_end(std::chrono::seconds(5)), 0);
  const uint16_t port = connection.local.port;
  const size_t resets = at_pay.segments(8080, port, PacketWatch::kRst | PacketWatch::kAck);

  ASSERT_TRUE(send_syn(lab().netns("web"), connection.local, lab().pod4("pay", 8080)));
  EXPECT_TRUE(wait_until(
      [&] { return at_pay.segments(8080, port, PacketWatch::kRst | PacketWatch::kAck) > resets; }));
  EXPECT_EQ(at_pay.segments(8080, port, PacketWatch::kSyn | PacketWatch::kAck), 1u)
      << "only the real connection was ever answered";
  EXPECT_EQ(pay.accepted(), 1u);
}

}  // namespace
}  // namespace keelson::test
