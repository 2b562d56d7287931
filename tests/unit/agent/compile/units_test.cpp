// Services, workloads, PeerAuthentication and the compiler's memory.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "compile/compile.h"
#include "compile/ids.h"
#include "compile/name_table.h"
#include "compile/workload.h"
#include "mesh_fixture.h"
#include "proxylink/same_content.h"

namespace keelson::compile {
namespace {

using model::MtlsMode;

std::vector<std::string> backends(const Plan& plan, const std::string& cluster_ip, uint16_t port) {
  const auto service = value_of<ks_service>(plan.rows.at(
      {MapId::kService, bytes_of(ks_service_key{ip(cluster_ip).raw(), port, IPPROTO_TCP, 0})}));
  std::vector<std::string> endpoints;
  for (uint32_t i = 0; i < service.backend_count; i++)
    endpoints.push_back(
        Endpoint::from_raw(
            value_of<ks_backend>(
                plan.rows.at({MapId::kBackend, bytes_of(ks_backend_key{service.id, i, 0})}))
                .endpoint)
            .to_string());
  return endpoints;
}

size_t count(const Plan& plan, MapId map) {
  return static_cast<size_t>(std::count_if(plan.rows.begin(), plan.rows.end(),
                                           [&](const auto& row) { return row.first.map == map; }));
}

size_t count(const Plan& plan, Reason reason) {
  return static_cast<size_t>(std::count_if(plan.findings.begin(), plan.findings.end(),
                                           [&](const auto& f) { return f.reason == reason; }));
}

using Texts = std::vector<std::string>;

TEST(CompileService, EachFamilyGetsItsOwnSortedBackends) {
  Mesh mesh;
  mesh.add_service("shop", "pay", {"10.96.0.1", "fd96::1"});
  auto& first = mesh.add_slice("shop", "pay", "a");
  first.endpoints = {ready_endpoint("10.1.0.2"), ready_endpoint("10.1.0.1")};
  mesh.add_slice("shop", "pay", "b").endpoints = {ready_endpoint("fd00::1"),
                                                  ready_endpoint("10.1.0.1")};
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  EXPECT_EQ(backends(plan, "10.96.0.1", 80), (Texts{"10.1.0.1:8080", "10.1.0.2:8080"}));
  EXPECT_EQ(backends(plan, "fd96::1", 80), (Texts{"[fd00::1]:8080"}));
  EXPECT_EQ(plan.names.services.size(), 2u);
}

TEST(CompileService, TerminatingEndpointsServeOnlyWhenNoneIsReady) {
  Mesh mesh;
  mesh.add_service("shop", "pay", {"10.96.0.1"});
  auto& slice = mesh.add_slice("shop", "pay", "a");
  slice.endpoints = {ready_endpoint("10.1.0.1"), ready_endpoint("10.1.0.2"),
                     ready_endpoint("10.1.0.3")};
  slice.endpoints[0].ready = slice.endpoints[1].ready = false;
  slice.endpoints[0].terminating = true;
  EXPECT_EQ(backends(compile(mesh.snapshot, mesh.facts), "10.96.0.1", 80),
            (Texts{"10.1.0.3:8080"}));
  slice.endpoints.pop_back();
  EXPECT_EQ(backends(compile(mesh.snapshot, mesh.facts), "10.96.0.1", 80),
            (Texts{"10.1.0.1:8080"}));
  slice.endpoints[0].serving = false;
  EXPECT_EQ(backends(compile(mesh.snapshot, mesh.facts), "10.96.0.1", 80), Texts{})
      << "the row stays: refused, not passed on";
  mesh.add_service("shop", "pay", {"10.96.0.1"}).publish_not_ready = true;
  EXPECT_EQ(backends(compile(mesh.snapshot, mesh.facts), "10.96.0.1", 80).size(), 2u);
}

TEST(CompileService, ANamedTargetPortIsEachSlicesOwn) {
  Mesh mesh;
  mesh.add_service("shop", "pay", {"10.96.0.1"});
  mesh.add_slice("shop", "pay", "a").endpoints = {ready_endpoint("10.1.0.1")};
  auto& other = mesh.add_slice("shop", "pay", "b");
  other.ports = {{"metrics", 9000, true}, {"http", 9090, true}};
  other.endpoints = {ready_endpoint("10.1.0.2")};
  EXPECT_EQ(backends(compile(mesh.snapshot, mesh.facts), "10.96.0.1", 80),
            (Texts{"10.1.0.1:8080", "10.1.0.2:9090"}));
}

TEST(CompileService, WhatIsNotImplementedIsLeftToKubeProxyAndReported) {
  for (int what = 0; what < 4; what++) {
    Mesh mesh;
    auto& service = mesh.add_service("shop", "pay", {"10.96.0.1"});
    service.session_affinity = what == 0;
    service.internal_traffic_local = what == 1;
    service.external_name = what == 2;
    service.ports[0].is_tcp = what != 3;
    const Plan plan = compile(mesh.snapshot, mesh.facts);
    EXPECT_EQ(count(plan, MapId::kService), 0u) << what;
    EXPECT_EQ(count(plan, Reason::unsupported_field), 1u) << what;
  }
}

TEST(CompileService, AHeadlessServiceHasNoRowsAndNoFinding) {
  Mesh mesh;
  mesh.add_service("shop", "pay", {}).headless = true;
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  EXPECT_EQ(count(plan, MapId::kService), 0u);
  EXPECT_TRUE(plan.findings.empty());
}

TEST(CompileService, AddressesClaimedTwiceAndSlicesOfNoServiceAreReported) {
  Mesh mesh;
  mesh.add_service("shop", "a", {"10.96.0.1"});
  mesh.add_service("shop", "b", {"10.96.0.1"});
  mesh.add_slice("shop", "gone", "gone-1");
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  EXPECT_EQ(count(plan, MapId::kService), 1u);
  EXPECT_EQ(count(plan, Reason::address_conflict), 1u);
  EXPECT_EQ(count(plan, Reason::dangling_reference), 1u);
}

TEST(CapturePorts, AreTheLargestPieceOutsideTheEphemeralRangeAndDeclaredPorts) {
  const struct {
    uint16_t first, last;
    std::vector<uint16_t> declared;
    PortRange want;
  } cases[] = {
      {32768, 60999, {}, {1024, 31744}},
      {1024, 32767, {}, {1, 1023}},
      {1, 65535, {}, {1, 1023}},
      {10000, 10999, {}, {11000, 21768}},
      {20000, 65535, {}, {1024, 18976}},
      {40000, 50000, {}, {1024, 31744}},
      {32768, 60999, {80, 443, 40000}, {1024, 31744}},
      {32768, 60999, {8080}, {8081, 24687}},
      {32768, 60999, {9000, 8080, 8080}, {9001, 23767}},
      {32768, 60999, {1024}, {1025, 31743}},
      {32768, 60999, {32767}, {1024, 31743}},
      {32768, 60999, {16895}, {16896, 15872}},
      {32768, 60999, {30000}, {1024, 28976}},
      {10000, 10999, {20000}, {20001, 12767}},
      {10000, 10999, {20000, 30000}, {20001, 9999}},
      {1026, 65535, {1024}, {1025, 1}},
      {1024, 65535, {443}, {444, 580}},
  };
  for (const auto& one : cases) {
    std::vector<model::ContainerPort> ports;
    for (const uint16_t port : one.declared) ports.push_back({"", port, true});
    ports.push_back({"dns", 9999, false});
    const PortRange got = capture_ports(one.first, one.last, ports);
    EXPECT_EQ(got, one.want) << one.first << ": " << got.first << " x " << got.count;
  }
}

TEST(CompileWorkload, APodGetsItsRowsAndTheNodeItsOwn) {
  Mesh mesh;
  auto& pod = mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1", "fd00::1"});
  pod.probe_ports = {8080};
  pod.ports = {{"http", 8080, true}};
  pod.excluded_outbound_ports = {8080, 25};
  mesh.facts.pods[0].addresses.insert(mesh.facts.pods[0].addresses.begin(), ip("fe80::7"));
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  const auto row = value_of<ks_pod>(plan.rows.at({MapId::kPod, bytes_of(uint64_t{100})}));
  EXPECT_EQ(row.identity, identity_id("cluster.local/ns/shop/sa/pay"));
  EXPECT_EQ(IpAddress(row.addr4), ip("10.1.0.1"));
  EXPECT_EQ(row.capture_port_first, 8081);
  EXPECT_EQ(IpAddress(row.addr6), ip("fd00::1"));
  const auto host = value_of<ks_pod>(plan.rows.at({MapId::kPod, bytes_of(uint64_t{1})}));
  EXPECT_EQ(host.flags, uint32_t{KS_POD_HOST});
  EXPECT_EQ(count(plan, MapId::kAddress), 3u);
  const auto port =
      value_of<ks_port>(plan.rows.at({MapId::kPort, bytes_of(ks_port_key{100, 8080, 0, 0})}));
  EXPECT_EQ(port.flags, uint32_t{KS_PORT_PROBE | KS_PORT_EXCLUDED_OUT});
  EXPECT_EQ(count(plan, MapId::kInterface), 1u);
}

// Other nodes may call it in the clear from the moment on that they hear of it.
TEST(CompileWorkload, ALeavingPodHasNoPolicyAndNoModeAnyMore) {
  Mesh mesh;
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"});
  mesh.add_policy("shop", "deny", model::PolicyAction::kDeny);
  mesh.add_peer_authentication("shop", "ns", MtlsMode::kStrict);
  const auto row = [&mesh] {
    const Plan plan = compile(mesh.snapshot, mesh.facts);
    return value_of<ks_pod>(plan.rows.at({MapId::kPod, bytes_of(uint64_t{100})}));
  };
  EXPECT_NE(row().policy_set[0], 0u);
  EXPECT_NE(row().flags & KS_POD_STRICT, 0u);
  mesh.facts.pods[0].is_leaving = true;
  EXPECT_EQ(row().policy_set[0], 0u);
  EXPECT_EQ(row().flags & KS_POD_STRICT, 0u);
  EXPECT_EQ(row().grace_until_ns, UINT64_MAX);
}

TEST(CompileWorkload, RemotePodsAreReadyOnlyWhenTheirNodeSaysSoAndOurOwnStateIsNotRead) {
  Mesh mesh;
  mesh.add_remote_pod("node-b", "shop", "a", "web", "10.2.0.1", model::PodState::kReady);
  mesh.add_remote_pod("node-b", "shop", "b", "web", "10.2.0.2", model::PodState::kLeaving);
  mesh.add_remote_pod("node-a", "shop", "c", "web", "10.1.0.9", model::PodState::kReady);
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  EXPECT_EQ(count(plan, MapId::kAddress), 2u);
  const auto flags = [&](const char* address) {
    return value_of<ks_address>(plan.rows.at({MapId::kAddress, bytes_of(ip(address).raw())})).flags;
  };
  EXPECT_EQ(flags("10.2.0.1"), uint32_t{KS_ADDRESS_REMOTE | KS_ADDRESS_READY});
  EXPECT_EQ(flags("10.2.0.2"), uint32_t{KS_ADDRESS_REMOTE});
}

TEST(CompileWorkload, ALocalPodWinsAnAddressOverARemoteOne) {
  Mesh mesh;
  mesh.add_remote_pod("node-b", "shop", "old", "web", "10.1.0.1", model::PodState::kReady);
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"});
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  const auto row =
      value_of<ks_address>(plan.rows.at({MapId::kAddress, bytes_of(ip("10.1.0.1").raw())}));
  EXPECT_EQ(row.pod, 100u);
  EXPECT_EQ(count(plan, Reason::address_conflict), 1u);
}

// Found by review: a pod with NET_ADMIN gave itself another pod's address and got what all pods of
// its node sent there, in the clear.
TEST(CompileWorkload, AnAddressThatAPodGaveItselfStaysWithThePodThatDeclaresIt) {
  Mesh mesh;
  mesh.add_pod("evil", "aaa", "mallory", {"10.1.0.9"});
  for (const char* taken : {"10.1.0.1", "10.2.0.1", "10.1.0.10"})
    mesh.facts.pods.back().addresses.push_back(ip(taken));
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"});
  mesh.add_remote_pod("node-b", "shop", "web", "web", "10.2.0.1", model::PodState::kReady);
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  const auto owner = [&](const char* address) {
    return value_of<ks_address>(plan.rows.at({MapId::kAddress, bytes_of(ip(address).raw())}));
  };
  EXPECT_EQ(owner("10.1.0.1").pod, mesh.facts.pods.back().netns_cookie);
  EXPECT_EQ(owner("10.2.0.1").flags, uint32_t{KS_ADDRESS_REMOTE | KS_ADDRESS_READY});
  EXPECT_EQ(owner("10.1.0.10").pod, mesh.facts.pods.front().netns_cookie);  // nobody else's
  EXPECT_EQ(count(plan, Reason::address_conflict), 2u);
}

TEST(CompileWorkload, AHostNetworkPodOfAMeshedNamespaceIsMentioned) {
  Mesh mesh;
  auto& pod = mesh.add_pod("shop", "agent", "agent", {"10.0.0.1"});
  mesh.facts.pods.clear();
  pod.host_network = true;
  pod.meta.labels[std::string(model::kMeshLabel)] = "enabled";
  EXPECT_EQ(count(compile(mesh.snapshot, mesh.facts), Reason::host_network), 1u);
}

struct Modes {
  bool pod_strict;
  std::map<uint16_t, uint32_t> ports;
};

Modes modes_of(const Mesh& mesh) {
  const Plan plan = compile(mesh.snapshot, mesh.facts);
  Modes modes{(value_of<ks_pod>(plan.rows.at({MapId::kPod, bytes_of(uint64_t{100})})).flags &
               KS_POD_STRICT) != 0,
              {}};
  for (const auto& [key, value] : plan.rows)
    if (key.map == MapId::kPort)
      modes.ports[value_of<ks_port_key>(key.key).port] = value_of<ks_port>(value).flags;
  return modes;
}

TEST(PeerAuthentication, NarrowerScopesWinAndUnsetInherits) {
  Mesh mesh;
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"}).meta.labels["app"] = "pay";
  EXPECT_FALSE(modes_of(mesh).pod_strict);
  mesh.add_peer_authentication("keelson-system", "mesh", MtlsMode::kStrict);
  EXPECT_TRUE(modes_of(mesh).pod_strict);
  mesh.add_peer_authentication("shop", "ns", MtlsMode::kUnset);
  EXPECT_TRUE(modes_of(mesh).pod_strict);
  mesh.add_peer_authentication("shop", "ns", MtlsMode::kPermissive);
  EXPECT_FALSE(modes_of(mesh).pod_strict);
  auto& workload = mesh.add_peer_authentication("shop", "pay", MtlsMode::kStrict);
  workload.selector = model::Labels{{"app", "pay"}};
  workload.port_modes = {
      {80, MtlsMode::kPermissive}, {81, MtlsMode::kUnset}, {82, MtlsMode::kStrict}};
  const Modes modes = modes_of(mesh);
  EXPECT_TRUE(modes.pod_strict);
  EXPECT_EQ(modes.ports, (std::map<uint16_t, uint32_t>{{80, KS_PORT_PERMISSIVE}}));
  workload.selector = model::Labels{{"app", "other"}};
  EXPECT_FALSE(modes_of(mesh).pod_strict);
}

TEST(PeerAuthentication, DisableIsPermissiveAndReported) {
  Mesh mesh;
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"});
  mesh.add_peer_authentication("keelson-system", "mesh", MtlsMode::kStrict);
  mesh.add_peer_authentication("shop", "ns", MtlsMode::kDisable);
  EXPECT_FALSE(modes_of(mesh).pod_strict);
  EXPECT_EQ(count(compile(mesh.snapshot, mesh.facts), Reason::unsupported_field), 1u);
}

TEST(PeerAuthentication, ASelectorInTheRootNamespaceAndPortsWithoutSelectorAreIgnoredAloud) {
  Mesh mesh;
  mesh.add_pod("shop", "pay-1", "pay", {"10.1.0.1"}).meta.labels["app"] = "pay";
  mesh.add_peer_authentication("keelson-system", "x", MtlsMode::kStrict).selector =
      model::Labels{{"app", "pay"}};
  mesh.add_peer_authentication("shop", "y", MtlsMode::kUnset).port_modes = {
      {80, MtlsMode::kStrict}};
  const Modes modes = modes_of(mesh);
  EXPECT_FALSE(modes.pod_strict);
  EXPECT_TRUE(modes.ports.empty());
  EXPECT_EQ(count(compile(mesh.snapshot, mesh.facts), Reason::unsupported_field), 2u);
}

TEST(NameTable, TwoNamesWithOneIdAreAnError) {
  std::map<uint64_t, std::string> names;
  std::vector<model::Finding> findings;
  EXPECT_TRUE(add_name(names, 7, "a", findings));
  EXPECT_TRUE(add_name(names, 7, "a", findings));
  EXPECT_FALSE(add_name(names, 7, "b", findings));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].reason, Reason::id_collision);
  EXPECT_EQ(findings[0].severity, model::Severity::kError);
}

std::vector<RouteCondition> conditions_of(const Plan& plan) {
  std::vector<RouteCondition> conditions;
  for (const auto& verdicts : plan.route_verdicts)
    for (const RouteVerdict& verdict : *verdicts)
      conditions.insert(conditions.end(), {verdict.accepted, verdict.resolved});
  return conditions;
}

TEST(Compiler, RememberingGivesTheSamePlanAsForgetting) {
  for (uint32_t seed = 0; seed < 20; seed++) {
    RandomMesh mesh(seed);
    Compiler compiler;
    for (int step = 0; step < 40; step++) {
      const Plan remembered = compiler.compile(mesh.snapshot(), mesh.facts());
      const Plan fresh = compile(mesh.snapshot(), mesh.facts());
      ASSERT_EQ(remembered.rows, fresh.rows) << "seed " << seed << " step " << step;
      ASSERT_EQ(remembered.findings, fresh.findings);
      ASSERT_EQ(remembered.names.policies, fresh.names.policies);
      ASSERT_EQ(remembered.names.services, fresh.names.services);
      ASSERT_EQ(remembered.names.identities, fresh.names.identities);
      ASSERT_EQ(remembered.names.pods, fresh.names.pods);
      ASSERT_TRUE(proxylink::same_content(*remembered.proxy, *fresh.proxy))
          << "seed " << seed << " step " << step;
      ASSERT_EQ(conditions_of(remembered), conditions_of(fresh))
          << "seed " << seed << " step " << step;
      ASSERT_EQ(remembered.generation, fresh.generation);
      mesh.edit();
      mesh.edit_routes();
    }
  }
}

TEST(Compiler, OneChangedEndpointCompilesOneService) {
  Mesh mesh;
  for (int i = 0; i < 300; i++) {
    const std::string name = "s" + std::to_string(i);
    mesh.add_service("shop", name,
                     {"10.96." + std::to_string(i / 250) + "." + std::to_string(i % 250)});
    mesh.add_slice("shop", name, name + "-1").endpoints = {ready_endpoint("10.1.0.1")};
  }
  Compiler compiler;
  compiler.compile(mesh.snapshot, mesh.facts);
  EXPECT_EQ(compiler.last_work().compiled, 300u);
  mesh.add_slice("shop", "s7", "s7-1").endpoints = {ready_endpoint("10.1.0.2")};
  compiler.compile(mesh.snapshot, mesh.facts);
  EXPECT_EQ(compiler.last_work().compiled, 1u);
  EXPECT_EQ(compiler.last_work().reused, 299u);
}

}  // namespace
}  // namespace keelson::compile
