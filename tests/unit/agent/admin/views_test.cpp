#include "admin/views.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "admin/json_text.h"
#include "mesh_fixture.h"

namespace keelson::admin {
namespace {

using Json = nlohmann::json;

Json named(const Json& list, const std::string& name) {
  for (const auto& entry : list)
    if (entry.at("name") == name) return entry;
  ADD_FAILURE() << "no " << name << " in " << list;
  return {};
}

TEST(Views, StatusSaysGenerationsPodsCountersAndFindings) {
  MeshFixture mesh;
  mesh.live.counters[static_cast<size_t>(Reason::direct)] = 5;
  mesh.live.counters[static_cast<size_t>(Reason::not_allowed)] = 2;
  mesh.live.findings.push_back({model::Severity::kError,
                                Reason::unknown_field,
                                {"policies.yaml", 9},
                                "AuthorizationPolicy shop/x",
                                "unknown field spec.form",
                                "did you mean 'from'?"});
  Readiness readiness({kTaskSourceRead, kTaskHoldConnected});
  readiness.mark_done(kTaskSourceRead);
  Edges edges;
  Flow seen;
  seen.from = "shop/web-1";
  seen.service = "shop/pay";
  seen.path = "direct";
  seen.allowed = true;
  edges.add(seen);
  const Json status = Json::parse(status_json(mesh.look(), readiness, edges));
  EXPECT_EQ(status["node"], "n1");
  EXPECT_EQ(status["ready"], false);
  EXPECT_EQ(status["missing"],
            Json::parse(R"([{"task":"hold_connected","detail":"not done yet"}])"));
  EXPECT_EQ(status["generation"], Json::parse(R"({"snapshot":7,"plan":7,"applied":7})"));
  EXPECT_EQ(status["pods"], Json::parse(R"({"local":3,"meshed":2,"ready":2,"refused":0})"));
  EXPECT_EQ(status["connections"], Json::parse(R"([{"reason":"direct","count":5}])"));
  EXPECT_EQ(status["refusals"], Json::parse(R"([{"reason":"not_allowed","count":2}])"));
  EXPECT_EQ(status["edges_known"], 1);
  EXPECT_EQ(status["edges"], Json::parse(R"([{"from":"shop/web-1","to":"shop/pay",
      "paths":["direct"],"allowed":1,"denied":0,"reason":"","first_seen":"1970-01-01T00:00:00Z",
      "last_seen":"1970-01-01T00:00:00Z"}])"));
  ASSERT_FALSE(status["findings"].empty());
  EXPECT_EQ(status["findings"][0]["file"], "policies.yaml");
  EXPECT_EQ(status["findings"][0]["line"], 9);
  EXPECT_EQ(status["findings"][0]["fix"], "did you mean 'from'?");
}

TEST(Views, WorkloadsShowStateIdentityModeAndPolicies) {
  MeshFixture mesh;
  mesh.add_strict();
  mesh.add_policy("callers", model::PolicyAction::kAllow, "cluster.local/ns/shop/sa/web");
  const Json answer = Json::parse(workloads_json(mesh.look()));
  const Json pay = named(answer["workloads"], "pay-1");
  EXPECT_EQ(pay["identity"], "cluster.local/ns/shop/sa/pay");
  EXPECT_EQ(pay["state"], "ready");
  EXPECT_EQ(pay["mode"], "STRICT");
  EXPECT_EQ(pay["policies"], Json::parse(R"(["shop/callers"])"));
  EXPECT_EQ(pay["slot"], 1);
  const Json far = named(answer["workloads"], "pay-2");
  EXPECT_EQ(far["state"], "ready");
  EXPECT_EQ(far["local"], false);
  EXPECT_EQ(named(answer["workloads"], "raw-1")["state"], "unmeshed");
}

// It was shown as unmeshed while the kernel still captured its connections.
TEST(Views, APodWhoseLabelWentIsLeavingUntilItsNodeIsDone) {
  MeshFixture mesh;
  mesh.live.enrolments.push_back({"out", "raw-1", "", EnrolmentState::kLeaving, {}, ""});
  const Json answer = Json::parse(workloads_json(mesh.look()));
  EXPECT_EQ(named(answer["workloads"], "raw-1")["state"], "leaving");
}

TEST(Views, ServicesSayWhoServesThem) {
  MeshFixture mesh;
  Json service = named(Json::parse(services_json(mesh.look()))["services"], "pay");
  EXPECT_EQ(service["implemented"], true);
  EXPECT_EQ(service["ports"][0]["endpoints"][0]["pod"], "shop/pay-1");
  EXPECT_EQ(service["ports"][0]["endpoints"][0]["address"], "10.1.0.3:8080");
  mesh.service->session_affinity = true;
  service = named(Json::parse(services_json(mesh.look()))["services"], "pay");
  EXPECT_EQ(service["implemented"], false);
  EXPECT_NE(service["detail"], "");
}

TEST(Views, RoutesAreShownWithTheirBackendsAndTheServiceIsServedPerRequest) {
  MeshFixture mesh;
  EXPECT_TRUE(Json::parse(routes_json(mesh.look()))["routes"].empty());
  mesh.add_route("gone");
  const Json routes = Json::parse(routes_json(mesh.look()))["routes"];
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes[0]["service"], "shop/pay");
  EXPECT_EQ(routes[0]["port"], 80);
  EXPECT_EQ(routes[0]["clients"], "all");
  EXPECT_EQ(routes[0]["match"], "prefix /");
  EXPECT_EQ(routes[0]["route"], "shop/pay-route");
  EXPECT_EQ(routes[0]["rule"], "shop/pay-route#0");
  EXPECT_EQ(routes[0]["backends"][0]["valid"], false);
  EXPECT_EQ(routes[0]["request_timeout_ms"], 2000);
  EXPECT_EQ(routes[0]["summary"]["backends"], "shop/gone:80=1 (invalid: 500)");
  const Json service = named(Json::parse(services_json(mesh.look()))["services"], "pay");
  EXPECT_EQ(service["ports"][0]["routed_per_request"], true);
  EXPECT_EQ(Json::parse(status_json(mesh.look(), Readiness({}), Edges()))["objects"]["http_routes"],
            1);
}

TEST(Views, PoliciesSayWhatTheySelect) {
  MeshFixture mesh;
  mesh.add_strict();
  mesh.add_policy("callers", model::PolicyAction::kDeny, "cluster.local/ns/shop/sa/web");
  const Json answer = Json::parse(policies_json(mesh.look()));
  const Json callers = named(answer["policies"], "callers");
  EXPECT_EQ(callers["kind"], "AuthorizationPolicy");
  EXPECT_EQ(callers["action"], "DENY");
  EXPECT_EQ(callers["selects"], Json::parse(R"(["shop/pay-1","shop/pay-2"])"));
  EXPECT_EQ(callers["line"], 12);
  EXPECT_EQ(named(answer["policies"], "strict")["mode"], "STRICT");
}

TEST(Views, ChecksAreNotOkWithOneError) {
  EXPECT_EQ(Json::parse(checks_json({{"kernel", "a", CheckResult::kWarning, "", ""}}))["ok"], true);
  const Json failed = Json::parse(
      checks_json({{"kernel", "BTF", CheckResult::kError, "missing", "use another kernel"}}));
  EXPECT_EQ(failed["ok"], false);
  EXPECT_EQ(failed["checks"][0]["result"], "error");
}

TEST(Views, BytesThatAreNotUtf8AreReplacedInsteadOfThrown) {
  EXPECT_TRUE(Json::accept(error_json(Reason::internal, "\xff\xfe", "")));
}

}  // namespace
}  // namespace keelson::admin
