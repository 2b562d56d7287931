// The connect decision where real sockets cannot reach it: spread of backends and capture ports,
// and rows that are missing. What sockets can show is in outbound_test.cpp.
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <map>
#include <set>

#include "base/ip_address.h"
#include "connect_decision.h"
#include "datapath_programs.h"
#include "ks_decision.skel.h"

namespace keelson::test {

namespace {

constexpr uint64_t kPod = 1001, kNeighbour = 1002;

IpAddress ip(const std::string& text) {
  return IpAddress::parse(text).value();
}

}  // namespace

class ConnectDecision : public testing::Test {
 protected:
  static constexpr uint32_t kRefuse = 1, kGo = 2;

  static void SetUpTestSuite() {
    if (!DatapathPrograms::unavailable().empty()) return;
    programs_ = std::make_unique<DatapathPrograms>();
    decision_ = ks_decision::open();
    programs_->share_maps(decision_->obj);
    ASSERT_EQ(bpf_object__load(decision_->obj), 0);
  }
  static void TearDownTestSuite() {
    if (decision_) ks_decision::destroy(decision_);
    programs_.reset();
  }
  void SetUp() override {
    if (!programs_) GTEST_SKIP() << DatapathPrograms::unavailable();
    programs_->clear_configuration();
    pod_.addr4 = ip("10.1.0.2").raw();
    pod_.addr6 = ip("fd01::2").raw();
    pod_.capture_port_first = 2000;
    pod_.capture_port_count = 1000;
    programs_->put("ks_pod", kPod, pod_);
  }
  void put_service(const Endpoint& dialled, uint64_t id, uint32_t count, uint32_t flags = 0) {
    programs_->put("ks_service", ks_service_key{dialled.address.raw(), dialled.port, 6, 0},
                   ks_service{id, count, flags});
  }
  void put_backend(uint64_t service, uint32_t index, const Endpoint& endpoint) {
    programs_->put("ks_backend", ks_backend_key{service, index, 0}, ks_backend{endpoint.raw()});
  }
  connect_question decide(const Endpoint& dialled, uint32_t source_port = 0,
                          uint64_t boot_key = 1) {
    connect_question ask{};
    ask.netns = kPod;
    ask.boot_key = boot_key;
    ask.dialled = dialled.raw();
    ask.source_port = source_port;
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &ask, .data_out = &ask,
                .data_size_in = sizeof(ask), .data_size_out = sizeof(ask));
    EXPECT_EQ(bpf_prog_test_run_opts(bpf_program__fd(decision_->progs.ks_decide), &run), 0);
    EXPECT_EQ(run.retval, static_cast<uint32_t>(XDP_PASS));
    return ask;
  }

  static inline std::unique_ptr<DatapathPrograms> programs_;
  static inline ks_decision* decision_ = nullptr;
  ks_pod pod_{};
};

TEST_F(ConnectDecision, EveryBackendIsChosenAboutEquallyOften) {
  const Endpoint dialled{ip("10.90.0.1"), 80};
  for (uint16_t i = 0; i < 4; i++) put_backend(5, i, {ip("192.0.2.1"), i});
  put_service(dialled, 5, 4);
  std::map<uint16_t, int> chosen;
  for (int i = 0; i < 4000; i++) chosen[decide(dialled).target.port]++;
  ASSERT_EQ(chosen.size(), 4u);
  for (const auto& [port, times] : chosen) EXPECT_GT(times, 800) << port;  // 7 sigma below 1,000
}

TEST_F(ConnectDecision, CapturePortsStayInRangeAndSpread) {
  std::set<uint16_t> ports;
  for (int n = 1; n <= 200; n++) {
    const Endpoint dialled{ip("10.90.0." + std::to_string(n)), 80};
    put_service(dialled, 5, 0, KS_SERVICE_L7);
    const connect_question answer = decide(dialled);
    ASSERT_EQ(answer.kind, KS_KIND_CAPTURE);
    EXPECT_EQ(IpAddress(answer.target.addr), ip("10.1.0.2"));
    ASSERT_GE(answer.target.port, 2000);
    ASSERT_LT(answer.target.port, 3000);
    EXPECT_EQ(decide(dialled).target.port, answer.target.port) << "one port per destination";
    ports.insert(answer.target.port);
  }
  EXPECT_GT(ports.size(), 150u) << "200 of 1,000 at random: 181 on average";
}

TEST_F(ConnectDecision, BootKeyMovesTheCapturePorts) {
  int same = 0;
  for (int n = 1; n <= 100; n++) {
    const Endpoint dialled{ip("fd90::" + std::to_string(n)), 80};
    put_service(dialled, 5, 0, KS_SERVICE_L7);
    same += decide(dialled, 0, 1).target.port == decide(dialled, 0, uint64_t{1} << 40).target.port;
  }
  EXPECT_LT(same, 10);
}

TEST_F(ConnectDecision, SourcePortEqualToTheLastCapturePortWrapsAround) {
  const Endpoint dialled{ip("10.90.0.1"), 80};
  put_service(dialled, 5, 0, KS_SERVICE_L7);
  const uint16_t hashed = decide(dialled).target.port;
  pod_.capture_port_first = hashed - 1;
  pod_.capture_port_count = 2;
  programs_->put("ks_pod", kPod, pod_);
  const uint16_t first = decide(dialled).target.port;
  const uint16_t other = decide(dialled, first).target.port;
  EXPECT_NE(other, first);
  EXPECT_GE(other, hashed - 1);
  EXPECT_LE(other, hashed);
}

TEST_F(ConnectDecision, MissingRowsRefuse) {
  const Endpoint dialled{ip("10.90.0.1"), 80};
  put_service(dialled, 5, 2);
  connect_question answer = decide(dialled);
  EXPECT_EQ(answer.action, kRefuse);
  EXPECT_EQ(answer.reason, KS_REASON_backend_missing);

  put_backend(5, 0, {ip("fd01::9"), 80});
  put_backend(5, 1, {ip("fd01::9"), 80});
  answer = decide(dialled);
  EXPECT_EQ(answer.action, kRefuse) << "an IPv4 socket cannot reach an IPv6 backend";

  programs_->put("ks_address", ip("10.1.0.3").raw(),
                 ks_address{kNeighbour, 1, KS_ADDRESS_LOCAL, 0});
  answer = decide({ip("10.1.0.3"), 80});
  EXPECT_EQ(answer.action, kRefuse);
  EXPECT_EQ(answer.reason, KS_REASON_pod_record_missing);

  programs_->put("ks_address", ip("10.2.0.3").raw(),
                 ks_address{0, 1, KS_ADDRESS_REMOTE | KS_ADDRESS_READY, 0});
  EXPECT_EQ(decide({ip("10.2.0.3"), 80}).action, kGo);
  pod_.addr4 = {};
  programs_->put("ks_pod", kPod, pod_);
  answer = decide({ip("10.2.0.3"), 80});
  EXPECT_EQ(answer.action, kRefuse) << "the pod has no IPv4 address to capture to";

  pod_.egress_set = 99;
  programs_->put("ks_pod", kPod, pod_);
  answer = decide({ip("192.0.2.1"), 80});
  EXPECT_EQ(answer.action, kRefuse);
  EXPECT_EQ(answer.reason, KS_REASON_egress_denied) << "the egress set is not there";
}

TEST_F(ConnectDecision, AnOpenNeighbourIsTakenForAnOutsiderUntilItsAddressIsLocal) {
  const struct {
    const char* open;
    const char* service;
  } families[] = {{"10.1.0.3", "10.90.0.1"}, {"fd01::3", "fd90::1"}};
  uint64_t service = 5;
  for (const auto& family : families) {
    const Endpoint neighbour{ip(family.open), 80}, dialled{ip(family.service), 80};
    put_service(dialled, service, 1);
    put_backend(service++, 0, neighbour);
    programs_->put("ks_pod", kNeighbour, ks_pod{});
    for (const uint32_t flags : {KS_ADDRESS_OPEN, KS_ADDRESS_LOCAL}) {
      programs_->put("ks_address", neighbour.address.raw(), ks_address{kNeighbour, 1, flags, 0});
      const uint8_t kind = flags == KS_ADDRESS_OPEN ? KS_KIND_NONE : KS_KIND_DIRECT;
      const uint16_t reason = flags == KS_ADDRESS_OPEN ? KS_REASON_passthrough : KS_REASON_direct;
      for (const Endpoint& to : {neighbour, dialled}) {
        const connect_question answer = decide(to);
        EXPECT_EQ(answer.action, kGo);
        EXPECT_EQ(answer.kind, kind) << "OPEN: no tuple";
        EXPECT_EQ(answer.reason, reason);
        EXPECT_EQ(IpAddress(answer.target.addr), neighbour.address);
      }
    }
  }
}

TEST_F(ConnectDecision, APodThatLeavesReachesItsOwnAddressWithoutATuple) {
  programs_->put("ks_address", ip("10.1.0.2").raw(), ks_address{kPod, 1, KS_ADDRESS_OPEN, 0});
  const connect_question answer = decide({ip("10.1.0.2"), 80});
  EXPECT_EQ(answer.action, kGo);
  EXPECT_EQ(answer.kind, KS_KIND_NONE);
}

}  // namespace keelson::test
