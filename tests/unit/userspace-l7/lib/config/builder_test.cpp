#include "config/builder.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "config/encode.h"
#include "link/frames.h"
#include "link/memfd.h"

namespace keelson::config {
namespace {

constexpr uint64_t kWeb = 11, kPay = 12, kSet = 21, kPolicy = 31, kService = 41;

IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}

RuntimeConfig sample() {
  RuntimeConfig config;
  config.generation = 7;
  config.node_name = "a";
  config.trust_domain = "cluster.local";
  config.local_pods["u1"] = std::make_shared<const LocalPod>(LocalPod{
      "u1", "shop", "web-1", 99, 3, kWeb, {address("10.0.0.1"), address("fd00::1")}, {kSet, 0}, 2});
  const auto remote = std::make_shared<const Workload>(Workload{"shop/pay-1", kPay, "b", true});
  config.workloads[address("10.0.1.1")] = remote;
  config.workloads[address("fd00::2")] = remote;
  config.services[kService] = std::make_shared<const Service>(Service{"shop", "pay", 80});
  PolicySet set;
  set.identity_class_default = 1;
  set.identities[kPay] = 2;
  set.ports[8080] = 1;
  set.addresses = {{IpPrefix::parse("10.1.0.0/16").value(), 2},
                   {IpPrefix::parse("10.0.0.0/8").value(), 1}};
  set.rows[{0, 0, 0}] = {kPolicy, KS_DENY, 0, {}};
  set.rows[{2, 2, 1}] = {kPolicy, KS_ALLOW, 0, {}};
  set.policy_names[kPolicy] = "shop/pay-callers";
  config.policy_sets[kSet] = std::make_shared<const PolicySet>(set);
  config.identities[kWeb] = std::make_shared<const Identity>(
      Identity{"cluster.local/ns/shop/sa/web", std::make_shared<const std::string>("secret")});
  config.identities[kPay] =
      std::make_shared<const Identity>(Identity{"cluster.local/ns/shop/sa/pay", nullptr});
  return config;
}

// Every field of routes.h differs from its default somewhere.
std::shared_ptr<const RouteSet> sample_routes() {
  auto set = std::make_shared<RouteSet>();
  RouteRule rule;
  rule.name = "shop/r#0";
  rule.request_headers = {{{"a", "1"}}, {{"b", "2"}}, {"c"}};
  rule.response_headers = {{}, {}, {"server"}};
  rule.rewrite =
      Rewrite{"pay.example", PathModifier{PathModifier::Kind::kReplacePrefixMatch, "/x"}};
  RouteBackend backend;
  backend.weight = 0;
  backend.service = {41, 42};
  backend.name = "shop/pay:80";
  backend.request_headers.add = {{"d", "4"}};
  rule.backends = {backend, {}};
  rule.backends[1].is_valid = false;
  rule.request_timeout = std::chrono::seconds(3);
  rule.backend_timeout = std::chrono::milliseconds(250);
  RouteRule redirect;
  redirect.redirect = Redirect{"https", "a.example",
                               PathModifier{PathModifier::Kind::kReplaceFullPath, "/y"}, 8443, 308};
  set->rules = {rule, redirect};
  set->entries.emplace_back();
  set->entries[0].match = {PathMatch::kExact,
                           "/p",
                           "GET",
                           {{TextMatch::kRegex, "h", "v.*"}},
                           {{TextMatch::kExact, "Q", "w"}}};
  set->entries.push_back({{PathMatch::kRegex, "/.*", "", {}, {}}, 1});
  set->entries.push_back({{}, 0});
  return set;
}

class BuilderTest : public ::testing::Test {
 protected:
  BuilderTest()
      : builder_([](const Fd& fd) { return link::read_sealed_memfd(fd, 1 << 20); }),
        map_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
        key_(link::make_sealed_memfd("key", "secret").value()) {}

  Descriptors descriptors() const {
    Descriptors all;
    all.socket_map = all.note_map = map_.get();
    all.key_material[kWeb] = key_.get();
    return all;
  }

  // As after a trip over a socket: own copies of the descriptors.
  Result<PacketOutcome> deliver(const Payload& payload) {
    std::vector<Fd> fds;
    for (const int fd : payload.fds) fds.emplace_back(::dup(fd));
    return builder_.on_packet(payload.bytes, std::move(fds));
  }

  Builder builder_;
  Fd map_, key_;
};

TEST_F(BuilderTest, AConfigurationSurvivesTheWire) {
  const RuntimeConfig sent = sample();
  std::shared_ptr<const RuntimeConfig> got;
  bool maps = false;
  for (const Payload& payload : encode_full(sent, descriptors())) {
    auto outcome = deliver(payload);
    ASSERT_TRUE(outcome) << outcome.error().message();
    maps |= outcome->maps.has_value();
    if (outcome->committed) got = outcome->committed;
  }
  ASSERT_NE(got, nullptr);
  EXPECT_TRUE(maps);
  EXPECT_EQ(got->generation, 7u);
  EXPECT_EQ(got->trust_domain, "cluster.local");
  const LocalPod& pod = *got->local_pods.at("u1");
  EXPECT_EQ(pod.name, "web-1");
  EXPECT_EQ(pod.slot, 3u);
  EXPECT_EQ(pod.policy_set, (std::array<uint64_t, 2>{kSet, 0}));
  EXPECT_TRUE(pod.owns(address("fd00::1")));
  EXPECT_EQ(got->workloads.at(address("fd00::2"))->name, "shop/pay-1");
  EXPECT_EQ(got->workloads.size(), 2u);
  EXPECT_EQ(got->services.at(kService)->name, "pay");
  EXPECT_EQ(*got->identities.at(kWeb)->key_material, "secret");
  EXPECT_EQ(got->identities.at(kPay)->key_material, nullptr);
  EXPECT_EQ(got->policy_name({kSet, 0}, kPolicy), "shop/pay-callers");
}

TEST_F(BuilderTest, RoutesAndEndpointsSurviveTheWire) {
  RuntimeConfig sent = sample();
  auto routes = std::make_shared<ServiceRoutes>();
  routes->producer = sample_routes();
  routes->consumer["web"] = std::make_shared<const RouteSet>();
  Service routed{"shop", "pay", 80, {kService, kService + 1}, routes};
  sent.services[kService] = sent.services[kService + 1] = std::make_shared<const Service>(routed);
  auto only_consumer = std::make_shared<ServiceRoutes>();
  only_consumer->consumer["web"] = sample_routes();
  sent.services[50] =
      std::make_shared<const Service>(Service{"shop", "cart", 80, {50, 0}, only_consumer});
  const EndpointSet endpoints{"shop/pay:80",
                              {{address("10.0.0.9"), 8080}, {address("fd00::9"), 1}}};
  sent.endpoints[kService] = std::make_shared<const EndpointSet>(endpoints);
  sent.endpoints[50] = std::make_shared<const EndpointSet>(EndpointSet{"shop/cart:80", {}});

  std::shared_ptr<const RuntimeConfig> got;
  for (const Payload& payload : encode_full(sent, descriptors()))
    got = deliver(payload).value().committed;
  ASSERT_NE(got, nullptr);
  const auto& pay = got->services.at(kService);
  EXPECT_EQ(pay, got->services.at(kService + 1));
  EXPECT_EQ(pay->ids, routed.ids);
  ASSERT_NE(pay->routes, nullptr);
  EXPECT_EQ(*pay->routes->for_client("shop"), *routes->producer);
  EXPECT_EQ(*pay->routes->for_client("web"), RouteSet{}) << "an empty set is not the same as none";
  const auto& cart = *got->services.at(50)->routes;
  EXPECT_EQ(cart.producer, nullptr);
  EXPECT_EQ(*cart.consumer.at("web"), *sample_routes());
  EXPECT_EQ(got->endpoints.size(), 2u);
  EXPECT_EQ(*got->endpoints.at(kService), endpoints);
  EXPECT_TRUE(got->endpoints.at(50)->endpoints.empty());
}

TEST_F(BuilderTest, PoliciesDecideTheSameAfterTheWire) {
  const RuntimeConfig sent = sample();
  std::shared_ptr<const RuntimeConfig> got;
  for (const Payload& payload : encode_full(sent, descriptors()))
    got = deliver(payload).value().committed;
  ASSERT_NE(got, nullptr);
  for (const char* source : {"10.1.2.3", "10.2.0.1", "192.168.0.1"})
    for (const uint64_t identity : {uint64_t{0}, kWeb, kPay})
      for (const uint16_t port : {uint16_t{80}, uint16_t{8080}}) {
        const PolicyQuestion question{{kSet, 0}, identity, 0, address(source), port};
        EXPECT_EQ(got->decide(question), sent.decide(question));
      }
  const PolicyQuestion allowed{{kSet, 0}, kPay, 0, address("10.1.2.3"), 8080};
  EXPECT_EQ(got->decide(allowed).verdict, KS_ALLOW) << "the longest prefix wins";
}

TEST_F(BuilderTest, AnUnknownSetDenies) {
  const PolicyQuestion question{{77, 0}, kPay, 0, address("10.1.2.3"), 80};
  EXPECT_EQ(sample().decide(question).reason, Reason::policy_missing);
}

TEST_F(BuilderTest, AKeyThatIsNoSealedMemoryRefusesTheWholeChangeSet) {
  Descriptors all = descriptors();
  all.key_material[kWeb] = map_.get();
  PacketOutcome last;
  for (const Payload& payload : encode_full(sample(), all)) last = deliver(payload).value();
  EXPECT_EQ(last.committed, nullptr);
  ASSERT_TRUE(last.refused);
  EXPECT_EQ(last.refused_generation, 7u);
}

TEST_F(BuilderTest, MissingDescriptorsAndGarbageDropTheConnection) {
  const auto payloads = encode_full(sample(), descriptors());
  EXPECT_FALSE(builder_.on_packet(payloads.front().bytes, {}));
  EXPECT_FALSE(builder_.on_packet("\xff\xff\xff", {}));
  EXPECT_FALSE(builder_.on_packet(encode_ack(3), {}));
}

TEST_F(BuilderTest, LargeConfigurationsTravelInSeveralPayloads) {
  RuntimeConfig config = sample();
  for (int i = 0; i < 5000; i++)
    config.services[1000 + i] =
        std::make_shared<const Service>(Service{"shop", "s" + std::to_string(i), 80});
  const auto payloads = encode_full(config, descriptors());
  EXPECT_GT(payloads.size(), 3u);
  std::shared_ptr<const RuntimeConfig> got;
  for (const Payload& payload : payloads) {
    EXPECT_LE(payload.bytes.size(), link::kFrameInlineBytesMax);
    EXPECT_LE(payload.fds.size(), link::kFrameFdsMax);
    got = deliver(payload).value().committed;
  }
  EXPECT_EQ(got->services.size(), config.services.size());
}

TEST(ProxyMessages, SurviveTheWire) {
  EXPECT_EQ(decode_proxy_messages(encode_hello({1, "0.1.0", 42, 2})).value().hello->workers, 2u);
  EXPECT_EQ(decode_proxy_messages(encode_ack(9)).value().ack, 9u);
  const auto nack = decode_proxy_messages(encode_nack({9, Reason::bad_value, "no"})).value().nack;
  EXPECT_EQ(nack->reason, Reason::bad_value);
  Stats stats;
  stats.reasons = {{Reason::policy_denied, 3}};
  stats.tunnels_active = 5;
  const auto got = decode_proxy_messages(encode_stats(stats)).value().stats;
  EXPECT_EQ(got->reasons, stats.reasons);
  EXPECT_EQ(got->tunnels_active, 5u);
  EXPECT_FALSE(decode_proxy_messages(encode_stats_request()));
}

}  // namespace
}  // namespace keelson::config
