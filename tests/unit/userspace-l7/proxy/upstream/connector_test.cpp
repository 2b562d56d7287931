#include "proxy/upstream/connector.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "fake_alarms.h"
#include "io/listener.h"
#include "proxy/upstream/pool.h"
#include "services_of.h"
#include "support/fake_clock.h"

namespace keelson::proxy {
namespace {

using Way = Target::Way;

struct NoLog final : AccessLog {
  void write(const AccessRecord&) override {}
  uint64_t dropped() const override { return 0; }
};
struct NoConnections final : Registry {
  void remove(Connection&) noexcept override {}
};
// Gives sockets at once, or never.
struct FakeSource final : SocketSource {
  void fetch(const SocketKind& kind, uint32_t, OnSockets on_sockets) override {
    asked.push_back(kind);
    if (is_away) return void(waiting.push_back(std::move(on_sockets)));
    on_sockets(make());
  }
  static std::vector<Fd> make() {
    std::vector<Fd> made;
    made.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    return made;
  }
  std::vector<SocketKind> asked;
  std::vector<OnSockets> waiting;
  bool is_away = false;
};
struct FakeFacts final : SocketFacts {
  Result<ks_attestation> attestation(int) const override {
    return fail(Reason::attestation_missing, ErrorSource::kKernel, "");
  }
  Result<void> write_note(int fd, const Endpoint& client) const override {
    // connect() consumes it, so it must come first.
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    EXPECT_NE(::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length), 0);
    if (is_failing) return fail(Reason::map_write_failed, ErrorSource::kKernel, "full");
    notes.push_back(client);
    return {};
  }
  mutable std::vector<Endpoint> notes;
  bool is_failing = false;
};
// A tunnel pool whose dials only say where they would go.
struct FakeDialer final : hbone::Dialer {
  Result<std::unique_ptr<Attempt>> dial(const hbone::PoolKey& key, OnStream) override {
    dialled.push_back(key);
    return std::make_unique<Attempt>();
  }
  Result<Identity> identify(const hbone::PoolKey&) override {
    return fail(Reason::identity_pending, ErrorSource::kConfig, "");
  }
  std::vector<hbone::PoolKey> dialled;
};

// Destruction runs the other way round: the loop goes last.
struct Bench {
  Bench() {
    target.source = pod("cart", 1);
    target.receiver = pod("pay", 2);
    target.destination_identity = 2;
    target.client = {*IpAddress::parse("127.0.0.9"), 40000};
    listener = std::move(*io::listen_tcp({*IpAddress::parse("127.0.0.1"), 0}));
    sockaddr_storage raw{};
    socklen_t length = sizeof raw;
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&raw), &length);
    target.destination = *Endpoint::from_sockaddr(raw);
    // The first to ask finds nothing.
    (void)stock.take({"uid-pay", KS_FAMILY_4, KS_ROLE_DIAL_DELIVER});
    (void)stock.take({"uid-cart", KS_FAMILY_4, KS_ROLE_DIAL_EGRESS});
    (void)stock.take({"uid-cart", KS_FAMILY_4, KS_ROLE_DIAL_HBONE});
    source.asked.clear();
  }
  static std::shared_ptr<config::LocalPod> pod(const std::string& name, uint64_t identity) {
    auto made = std::make_shared<config::LocalPod>();
    made->uid = "uid-" + name;
    made->netns_cookie = identity + 100;
    made->identity = identity;
    return made;
  }
  Result<std::unique_ptr<Connector::Attempt>> connect(Way way) {
    target.way = way;
    return connector.connect(
        target, [this](Result<Connector::Carried> made) { arrived.push_back(std::move(made)); });
  }
  void run_until_arrived() {
    while (arrived.empty()) loop.run_once();
  }

  io::EventLoop loop;
  Scheduler scheduler{[] {}};
  BlockPool blocks;
  FakeAlarms alarms;
  test::FakeClock clock;
  Stats stats;
  NoLog log;
  NoConnections connections;
  FakeSource source;
  SocketStock stock{source, alarms};
  tls::InlineSigner signer;
  FakeDialer dialer;
  hbone::Pool tunnels{{scheduler, blocks, signer, alarms}, dialer};
  ConfigLease config;
  std::shared_ptr<FakeFacts> kernel = std::make_shared<FakeFacts>();
  std::shared_ptr<const SocketFacts> facts = kernel;
  Rng rng{1};
  MeshConnector connector{services};
  UpstreamPool upstreams{connector, blocks, alarms, clock};
  PodsInUse pods{[](const config::LocalPod&) {}};
  const Services services = services_of(*this, connections);
  Fd listener;
  Target target;
  std::vector<Result<Connector::Carried>> arrived;
};

TEST(Connector, DeliversFromWithinTheReceiverAndTellsItTheClient) {
  Bench bench;
  const auto attempt = bench.connect(Way::kLocal);
  ASSERT_TRUE(attempt) << attempt.error().message();
  EXPECT_TRUE(bench.arrived.empty()) << "not before connect() has returned";
  bench.run_until_arrived();
  ASSERT_TRUE(bench.arrived[0]) << bench.arrived[0].error().message();
  EXPECT_EQ(bench.source.asked[0], (SocketKind{"uid-pay", KS_FAMILY_4, KS_ROLE_DIAL_DELIVER}));
  EXPECT_EQ(bench.kernel->notes, std::vector<Endpoint>{bench.target.client});
  EXPECT_EQ(bench.alarms.running(), 0u);
}

TEST(Connector, LeavesTheMeshFromWithinTheSource) {
  Bench bench;
  const auto attempt = bench.connect(Way::kEgress);
  ASSERT_TRUE(attempt);
  bench.run_until_arrived();
  EXPECT_TRUE(bench.arrived[0]);
  EXPECT_EQ(bench.source.asked[0], (SocketKind{"uid-cart", KS_FAMILY_4, KS_ROLE_DIAL_EGRESS}));
  EXPECT_TRUE(bench.kernel->notes.empty());
}

TEST(Connector, TakesATunnelAsTheSourceToTheWorkload) {
  Bench bench;
  const auto attempt = bench.connect(Way::kHbone);
  ASSERT_TRUE(attempt);
  ASSERT_EQ(bench.dialer.dialled.size(), 1u);
  EXPECT_EQ(bench.dialer.dialled[0],
            (hbone::PoolKey{101, {bench.target.destination.address, KS_HBONE_PORT}, 1, 2}));
  EXPECT_TRUE(bench.source.asked.empty());
}

TEST(Connector, WaitsForASocketWhereTheStockIsDry) {
  Bench bench;
  bench.source.is_away = true;
  bench.target.receiver = Bench::pod("new", 3);
  const auto attempt = bench.connect(Way::kLocal);
  ASSERT_TRUE(attempt);
  EXPECT_TRUE(bench.arrived.empty());
  ASSERT_FALSE(bench.source.waiting.empty());
  bench.source.waiting[0](FakeSource::make());
  bench.run_until_arrived();
  EXPECT_TRUE(bench.arrived[0]);
}

TEST(Connector, DeliversNothingWithoutANote) {
  Bench bench;
  bench.kernel->is_failing = true;
  EXPECT_EQ(bench.connect(Way::kLocal).error().reason, Reason::map_write_failed);
  bench.facts = nullptr;  // no agent has said anything yet
  EXPECT_EQ(bench.connect(Way::kLocal).error().reason, Reason::attestation_missing);
}

TEST(Connector, SaysThatTheDestinationRefuses) {
  Bench bench;
  bench.listener.reset();
  const auto attempt = bench.connect(Way::kLocal);
  ASSERT_TRUE(attempt);
  bench.run_until_arrived();
  EXPECT_EQ(bench.arrived[0].error().reason, Reason::connect_refused);
}

TEST(Connector, GivesUpInTimeAndCallsOnce) {
  Bench bench;
  const auto attempt = bench.connect(Way::kLocal);
  ASSERT_TRUE(attempt);
  bench.alarms.ring_all();  // the connect has succeeded by now, but nobody knows yet
  ASSERT_EQ(bench.arrived.size(), 1u);
  EXPECT_EQ(bench.arrived[0].error().reason, Reason::connect_timeout);
  for (int i = 0; i < 10; i++) bench.loop.run_ready();
  EXPECT_EQ(bench.arrived.size(), 1u);
}

TEST(Connector, IsCancelledByDestroyingTheAttempt) {
  Bench bench;
  {
    const auto attempt = bench.connect(Way::kLocal);
    ASSERT_TRUE(attempt);
  }
  for (int i = 0; i < 10; i++) bench.loop.run_ready();
  bench.alarms.ring_all();
  EXPECT_TRUE(bench.arrived.empty());
}

TEST(Connector, DialsWithoutALimitOfItsOwnWhereTheCallerHasOne) {
  Bench bench;
  const auto attempt = dial(bench.services,
                            {.socket = {"uid-cart", KS_FAMILY_4, KS_ROLE_DIAL_HBONE},
                             .to = bench.target.destination,
                             .patience = std::chrono::milliseconds(0)},
                            [](auto) {});
  ASSERT_TRUE(attempt);
  EXPECT_EQ(bench.alarms.running(), 0u);
}

}  // namespace
}  // namespace keelson::proxy
