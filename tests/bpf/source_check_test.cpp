// The source check, by test-running it on packets. The test-run's device is lo (index 1). It
// refuses truncated frames (kernel 6.18), so inbound_test.cpp sends one for real.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include <cstring>
#include <vector>

#include "base/ip_address.h"
#include "datapath_programs.h"

namespace keelson::test {

namespace {

using Packet = std::vector<uint8_t>;

constexpr uint64_t kPod = 1001, kNeighbour = 1002;
constexpr uint32_t kPass = UINT32_MAX, kDrop = 2;

Packet ethernet(uint16_t type) {
  Packet frame(ETH_HLEN);
  frame[12] = static_cast<uint8_t>(type >> 8);
  frame[13] = static_cast<uint8_t>(type);
  return frame;
}

Packet packet(const char* source) {
  const IpAddress from = IpAddress::parse(source).value();
  Packet frame = ethernet(from.is_v4() ? ETH_P_IP : ETH_P_IPV6);
  if (from.is_v4()) {
    iphdr header{};
    header.version = 4;
    header.ihl = 5;
    header.saddr = from.raw().word[3];
    const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
    frame.insert(frame.end(), bytes, bytes + sizeof(header));
  } else {
    ip6_hdr header{};
    header.ip6_vfc = 0x60;
    std::memcpy(&header.ip6_src, from.raw().word, 16);
    const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
    frame.insert(frame.end(), bytes, bytes + sizeof(header));
  }
  frame.resize(frame.size() + 20);
  return frame;
}

}  // namespace

class SourceCheck : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (DatapathPrograms::unavailable().empty()) programs_ = std::make_unique<DatapathPrograms>();
  }
  static void TearDownTestSuite() { programs_.reset(); }
  void SetUp() override {
    if (!programs_) GTEST_SKIP() << DatapathPrograms::unavailable();
    programs_->clear_configuration();
    programs_->take_events();
    programs_->put("ks_interface", uint32_t{1}, ks_interface{kPod});
    for (const char* own : {"10.1.0.2", "fd01::2"}) put_owner(own, kPod, KS_ADDRESS_LOCAL);
    put_owner("10.1.0.3", kNeighbour, KS_ADDRESS_LOCAL);
    put_owner("10.2.0.4", 0, KS_ADDRESS_REMOTE | KS_ADDRESS_READY);
  }
  void put_owner(const char* address, uint64_t pod, uint32_t flags) {
    programs_->put("ks_address", IpAddress::parse(address).value().raw(),
                   ks_address{pod, 0, flags, 0});
  }
  uint32_t check(const Packet& frame) {
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(),
                .data_size_in = static_cast<uint32_t>(frame.size()));
    EXPECT_EQ(bpf_prog_test_run_opts(programs_->program("ks_source"), &run), 0);
    return run.retval;
  }
  static inline std::unique_ptr<DatapathPrograms> programs_;
};

TEST_F(SourceCheck, ThePodsOwnAddressesPass) {
  EXPECT_EQ(check(packet("10.1.0.2")), kPass);
  EXPECT_EQ(check(packet("fd01::2")), kPass);
  EXPECT_TRUE(programs_->take_events().empty());
}

TEST_F(SourceCheck, APodThatJoinsOrLeavesKeepsItsAddresses) {
  put_owner("10.1.0.2", kPod, KS_ADDRESS_OPEN);
  EXPECT_EQ(check(packet("10.1.0.2")), kPass);
  put_owner("fd01::2", kPod, KS_ADDRESS_OPEN);
  EXPECT_EQ(check(packet("fd01::2")), kPass);
  for (const char* other : {"10.1.0.3", "fd01::3"}) {
    put_owner(other, kNeighbour, KS_ADDRESS_OPEN);
    EXPECT_EQ(check(packet(other)), kDrop);
  }
}

TEST_F(SourceCheck, EveryOtherAddressIsDroppedAndReported) {
  for (const char* source :
       {"10.1.0.3", "10.2.0.4", "192.0.2.1", "0.0.0.0", "127.0.0.1", "fd01::3", "::1", "ff02::1"}) {
    EXPECT_EQ(check(packet(source)), kDrop) << source;
    const auto events = programs_->take_events();
    ASSERT_EQ(events.size(), 1u) << source;
    EXPECT_EQ(events[0].reason, KS_REASON_source_spoofed);
    EXPECT_EQ(events[0].hook, KS_HOOK_SOURCE_CHECK);
    EXPECT_EQ(events[0].source_pod, kPod);
    EXPECT_EQ(IpAddress(events[0].source.addr).to_string(), source);
  }
}

TEST_F(SourceCheck, Ipv4AddressesInsideIpv6HeadersAreDropped) {
  Packet frame = packet("fd01::2");
  const IpAddress mapped = IpAddress::parse("10.1.0.2").value();
  std::memcpy(frame.data() + ETH_HLEN + 8, mapped.raw().word, 16);
  EXPECT_EQ(check(frame), kDrop);
}

TEST_F(SourceCheck, NeighbourDiscoveryAndArpPass) {
  EXPECT_EQ(check(packet("::")), kPass);
  EXPECT_EQ(check(packet("fe80::1")), kPass);
  EXPECT_EQ(check(packet("febf::1")), kPass);
  EXPECT_EQ(check(packet("fec0::1")), kDrop) << "outside fe80::/10";
  Packet arp = ethernet(ETH_P_ARP);
  arp.resize(60);
  EXPECT_EQ(check(arp), kPass);
}

TEST_F(SourceCheck, MalformedHeadersAreDropped) {
  Packet wrong_version = packet("10.1.0.2");
  wrong_version[ETH_HLEN] = 0x65;
  EXPECT_EQ(check(wrong_version), kDrop);
  Packet short_header = packet("10.1.0.2");
  short_header[ETH_HLEN] = 0x44;
  EXPECT_EQ(check(short_header), kDrop);
  Packet v4_as_v6 = packet("fd01::2");
  v4_as_v6[ETH_HLEN] = 0x45;
  EXPECT_EQ(check(v4_as_v6), kDrop);
  for (const auto& event : programs_->take_events())
    EXPECT_EQ(event.reason, KS_REASON_packet_malformed);
}

TEST_F(SourceCheck, AnInterfaceThatIsNoPodsPasses) {
  programs_->erase("ks_interface", uint32_t{1});
  EXPECT_EQ(check(packet("192.0.2.1")), kPass);
}

}  // namespace keelson::test
