#include "admin/flow_log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "admin/metrics.h"
#include "served_admin.h"

namespace keelson::admin {
namespace {

class StoppedClock final : public Clock {
 public:
  MonotonicTime now() const noexcept override { return MonotonicTime(std::chrono::seconds(100)); }
  WallTime wall_now() const noexcept override {
    return WallTime(std::chrono::seconds(1'700'000'000));
  }
};

class FlowLogTest : public ::testing::Test {
 protected:
  FlowLogTest() { use_names(); }
  void use_names() {
    mesh.look();
    mesh.plan.names.policies[9] = "shop/no-web";
    mesh.plan.names.pods = {{101, "shop/web-1"}, {102, "shop/pay-1"}};
    log.set_names(std::make_shared<const compile::Plan>(mesh.plan),
                  std::make_shared<const model::Snapshot>(mesh.snapshot));
  }
  static std::vector<std::string> take(serving::LineSource& source) {
    std::vector<std::string> lines;
    while (auto line = source.next()) lines.push_back(*line);
    return lines;
  }

  StoppedClock clock;
  MeshFixture mesh;
  FlowLog log{clock, "n1", {.ring_flows = 3, .queue_flows = 2, .readers_max = 2}};
};

TEST_F(FlowLogTest, EventBecomesALineWithNamesReasonAndTime) {
  ks_event event = denied_event();
  event.policy = 9;
  event.time_ns = 99'500'000'000;
  log.add(event);
  const auto source = log.subscribe({}, 10, false);
  const auto lines = take(*source);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(source->is_finished());
  const auto flow = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(flow["time"], "2023-11-14T22:13:19.500000Z");
  EXPECT_EQ(flow["from"], "shop/web-1");
  EXPECT_EQ(flow["to"], "shop/pay-1");
  EXPECT_EQ(flow["policy"], "shop/no-web");
  EXPECT_EQ(flow["verdict"], "denied");
  EXPECT_EQ(flow["path"], "none");
  EXPECT_EQ(flow["reason"], "policy_denied");
  EXPECT_EQ(flow["source"], "10.1.0.2:40000");
  EXPECT_EQ(flow["original"], "10.96.0.1:80");
}

TEST_F(FlowLogTest, PodsOfOtherNodesAreNamedByTheirAddress) {
  ks_event event = denied_event();
  event.destination_pod = 0;
  event.destination = Endpoint{ip("10.2.0.3"), 8080}.raw();
  log.add(event);
  EXPECT_EQ(nlohmann::json::parse(*log.subscribe({}, 1, false)->next())["to"], "shop/pay-2");
}

TEST_F(FlowLogTest, WhatTheProxyRefusedIsALineLikeAnyOther) {
  config::Denials reported;
  reported.lost = 4;
  reported.denials.push_back({clock.wall_now(), Reason::policy_denied, "shop/other",
                              "spiffe://cluster.local/ns/shop/sa/web", "10.2.0.3:40000",
                              "shop/pay-1", "", "[fd00::9]:8080", "shop/no-web"});
  const auto live = log.subscribe({}, 0, true);
  log.add(reported);
  const auto flow = nlohmann::json::parse(*log.subscribe({}, 1, false)->next());
  EXPECT_EQ(flow["hook"], "hbone");
  EXPECT_EQ(flow["verdict"], "denied");
  EXPECT_EQ(flow["reason"], "policy_denied");
  EXPECT_EQ(flow["policy"], "shop/no-web");
  EXPECT_EQ(flow["from"], "shop/pay-2") << "the agent's own name for the address";
  EXPECT_EQ(flow["from_identity"], "cluster.local/ns/shop/sa/web");
  EXPECT_EQ(flow["to"], "shop/pay-1") << "as the proxy says: no pod here has that address";
  EXPECT_EQ(flow["path"], "none");
  EXPECT_EQ(nlohmann::json::parse(*live->next())["lost"], 4);
}

TEST_F(FlowLogTest, ARequestThatAPodRefusedNamesItsService) {
  config::Denials reported;
  reported.denials.push_back({clock.wall_now(), Reason::not_allowed, "shop/other", "", "10.9.9.9:1",
                              "shop/pay-1", "", "10.9.9.8:8080", "shop/only-web", "shop/pay",
                              true});
  log.add(reported);
  const auto flow = nlohmann::json::parse(*log.subscribe({}, 1, false)->next());
  EXPECT_EQ(flow["hook"], "request");
  EXPECT_EQ(flow["service"], "shop/pay");
  EXPECT_EQ(flow["policy"], "shop/only-web");
}

TEST_F(FlowLogTest, RingKeepsTheNewest) {
  for (auto reason :
       {Reason::policy_denied, Reason::not_allowed, Reason::tuple_budget, Reason::strict_plaintext})
    log.add(denied_event(reason));
  const auto lines = take(*log.subscribe({}, 10, false));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE(lines.front().find("not_allowed"), std::string::npos);
  EXPECT_EQ(take(*log.subscribe({}, 1, false)).size(), 1u);
}

TEST_F(FlowLogTest, SlowReaderLosesEventsAndIsToldHowMany) {
  const auto source = log.subscribe({}, 0, true);
  int wakes = 0;
  source->set_wake([&] { ++wakes; });
  for (int i = 0; i < 5; ++i) log.add(denied_event());
  EXPECT_EQ(wakes, 2);
  EXPECT_EQ(log.slow_reader_lost(), 3u);
  const auto lines = take(*source);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1], "{\"lost\":3}\n");
  EXPECT_FALSE(source->is_finished());
}

TEST_F(FlowLogTest, ReadersAreBoundedAndSignOff) {
  auto first = log.subscribe({}, 0, true);
  const auto second = log.subscribe({}, 0, true);
  EXPECT_EQ(log.subscribe({}, 0, true), nullptr);
  first.reset();
  EXPECT_EQ(log.readers(), 1u);
  log.add(denied_event());
  EXPECT_NE(log.subscribe({}, 0, true), nullptr);
}

TEST_F(FlowLogTest, FiltersMatchPrefixesAddressesServicesVerdictAndReason) {
  Flow flow;
  flow.from = "shop/web-1";
  flow.to = "shop/pay-1";
  flow.service = "shop/pay";
  flow.source = "10.1.0.2:40000";
  flow.destination = "[fd00::3]:8080";
  flow.original = "10.96.0.1:80";
  flow.reason = "not_allowed";
  EXPECT_TRUE((FlowFilter{"shop/", "shop/pay", "not_allowed", false}.matches(flow)));
  EXPECT_TRUE((FlowFilter{"10.1.0.2", "fd00::3", "", {}}.matches(flow)));
  EXPECT_FALSE((FlowFilter{"10.1.0", "", "", {}}.matches(flow)));
  EXPECT_FALSE((FlowFilter{"shop/pay", "", "", {}}.matches(flow)));
  EXPECT_FALSE((FlowFilter{"", "shop/web", "", {}}.matches(flow)));
  EXPECT_FALSE((FlowFilter{"", "", "direct", {}}.matches(flow)));
  EXPECT_FALSE((FlowFilter{"", "", "", true}.matches(flow)));
}

TEST(Metrics, EveryReasonPhaseAndSeverityHasASeries) {
  MeshFixture mesh;
  mesh.look();
  mesh.live.counters[static_cast<size_t>(Reason::direct)] = 12;
  mesh.live.counters[static_cast<size_t>(Reason::unattested)] = 3;
  mesh.live.counters[static_cast<size_t>(Reason::late_packet)] = 6;
  mesh.live.rollout.phase = RolloutPhase::kSteer;
  mesh.live.rollout.map_writes = 77;
  mesh.live.events_lost = 4;
  mesh.live.findings.push_back({});
  mesh.live.proxy.counters.reasons = {{Reason::policy_denied, 2}, {Reason::unsettled_retried, 5}};
  mesh.live.proxy.counters.bytes_sent_total = 99;
  mesh.live.source.kinds = {{"Pod", 7, true, 2, 1, {{Reason::api_version_expired, 2}}, {}}};
  Readiness readiness({});
  const std::string text =
      metrics_text({mesh.live, mesh.plan, readiness, mesh.snapshot.generation, 5});
  for (const char* line : {
           "keelson_agent_build_info{version=\"0.1.0\",commit=\"\"} 1\n",
           "keelson_datapath_connections_total{reason=\"direct\"} 12\n",
           "keelson_datapath_connections_total{reason=\"captured\"} 0\n",
           "keelson_datapath_refusals_total{reason=\"unattested\"} 3\n",
           "keelson_agent_generation{stage=\"applied\"} 7\n",
           "keelson_agent_rollout_phase{phase=\"steer\"} 1\n",
           "keelson_agent_rollout_phase{phase=\"idle\"} 0\n",
           "keelson_agent_map_writes_total 77\n",
           "keelson_agent_source_reachable 1\n",
           "keelson_agent_source_objects{kind=\"Pod\"} 7\n",
           "keelson_agent_source_relists_total{kind=\"Pod\"} 2\n",
           "keelson_agent_source_errors_total{reason=\"api_version_expired\"} 2\n",
           "keelson_agent_source_errors_total{reason=\"api_forbidden\"} 0\n",
           "keelson_agent_enrolled_pods 2\n",
           "keelson_agent_findings{severity=\"error\"} 1\n",
           "keelson_agent_events_lost_total{where=\"kernel\"} 4\n",
           "keelson_agent_events_lost_total{where=\"reader\"} 5\n",
           "# TYPE keelson_datapath_refusals_total counter\n",
           "keelson_proxy_outcomes_total{reason=\"policy_denied\"} 2\n",
           "keelson_proxy_accounts_total{reason=\"unsettled_retried\"} 5\n",
           "keelson_datapath_late_packets_total 6\n",
           "keelson_proxy_bytes_total{direction=\"sent\"} 99\n",
       })
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  EXPECT_EQ(text.find("outcomes_total{reason=\"unsettled_retried\"}"), std::string::npos) << text;
}

}  // namespace
}  // namespace keelson::admin
