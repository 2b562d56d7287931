// HTTPRoutes on their way to the proxy and the kernel's rows.
#include <gmock/gmock.h>
#include <netinet/in.h>

#include "compile/compile.h"
#include "compile/ids.h"
#include "config/runtime_config.h"
#include "mesh_fixture.h"

namespace keelson::compile {
namespace {

using config::PathMatch;
using config::RouteSet;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Texts = std::vector<std::string>;

model::RouteParent parent(const std::string& ns, const std::string& name, uint16_t port = 0,
                          const std::string& section = "") {
  return {ns, name, port, section, 0};
}
model::RouteBackendRef backend(const std::string& name, uint16_t port = 80, uint32_t weight = 1) {
  model::RouteBackendRef ref;
  ref.ns = "shop";
  ref.name = name;
  ref.port = port;
  ref.weight = weight;
  return ref;
}
config::RequestMatch match(PathMatch kind, const std::string& path) {
  config::RequestMatch match;
  match.path_kind = kind;
  match.path = path;
  return match;
}

class CompileRoute : public testing::Test {
 protected:
  CompileRoute() { mesh.add_service("shop", "pay", {"10.96.0.1", "fd96::1"}); }

  // One rule with one match for everything and a backend of its own.
  model::HttpRoute& add_route(const std::string& ns, const std::string& name) {
    auto route = std::make_shared<model::HttpRoute>();
    route->meta.key = {model::Kind::kHttpRoute, ns, name};
    route->meta.where = {"r.yaml", 1};
    route->parents = {parent("shop", "pay")};
    route->rules.emplace_back();
    route->rules[0].matches.emplace_back();
    mesh.snapshot.http_routes[route->meta.key] = route;
    return *route;
  }
  void run() { plan = compile(mesh.snapshot, mesh.facts); }
  void add_grant(const std::string& ns, const std::string& name, const std::string& from,
                 const std::string& service) {
    auto grant = std::make_shared<model::ReferenceGrant>();
    grant->meta.key = {model::Kind::kReferenceGrant, ns, name};
    grant->route_namespaces = {from};
    grant->services = {service};
    mesh.snapshot.reference_grants[grant->meta.key] = grant;
  }
  // The only verdict about that parent.
  RouteVerdict verdict_for(const std::string& service) const {
    RouteVerdict found;
    for (const auto& list : plan.route_verdicts)
      for (const RouteVerdict& verdict : *list)
        if (verdict.route->parents[verdict.parent].name == service) found = verdict;
    return found;
  }
  static std::pair<RouteCondition, RouteCondition> conditions(const RouteVerdict& verdict) {
    return {verdict.accepted, verdict.resolved};
  }
  bool is_captured(const std::string& cluster_ip, uint16_t port = 80) const {
    const auto row = plan.rows.at(
        {MapId::kService, bytes_of(ks_service_key{ip(cluster_ip).raw(), port, IPPROTO_TCP, 0})});
    return (value_of<ks_service>(row).flags & KS_SERVICE_L7) != 0;
  }
  const config::ServiceRoutes* routes(const std::string& name = "pay", uint16_t port = 80) const {
    return plan.proxy->services.at(service_id("shop", name, port, KS_FAMILY_4))->routes.get();
  }
  // Rule names in the order of precedence.
  static Texts order(const RouteSet* set) {
    Texts names;
    if (set == nullptr) return {"null"};
    for (const auto& entry : set->entries) names.push_back(set->rules[entry.rule].name);
    return names;
  }
  Texts findings() const {
    Texts texts;
    for (const auto& finding : plan.findings) texts.push_back(finding.message);
    return texts;
  }

  Mesh mesh;
  Plan plan;
};

TEST_F(CompileRoute, ExactlyThePortsWithARouteAreCaptured) {
  auto& pay = mesh.add_service("shop", "pay", {"10.96.0.1", "fd96::1"});
  pay.ports.push_back(pay.ports[0]);
  pay.ports[1].name = "admin";
  pay.ports[1].port = 81;
  mesh.add_service("shop", "cart", {"10.96.0.2"});
  run();
  EXPECT_FALSE(is_captured("10.96.0.1"));
  EXPECT_EQ(routes(), nullptr);
  add_route("shop", "r").parents = {parent("shop", "pay", 81)};
  run();
  EXPECT_FALSE(is_captured("10.96.0.1"));
  EXPECT_TRUE(is_captured("10.96.0.1", 81));
  EXPECT_TRUE(is_captured("fd96::1", 81));
  EXPECT_FALSE(is_captured("10.96.0.2"));
  EXPECT_EQ(routes(), nullptr);
  EXPECT_THAT(order(routes("pay", 81)->for_client("any")), ElementsAre("shop/r#0"));
  add_route("shop", "r");  // without port: every port
  run();
  EXPECT_TRUE(is_captured("10.96.0.1"));
  EXPECT_TRUE(is_captured("10.96.0.1", 81));
  add_route("shop", "r").parents = {parent("shop", "pay", 0, "admin")};
  run();
  EXPECT_FALSE(is_captured("10.96.0.1"));
  EXPECT_TRUE(is_captured("10.96.0.1", 81));
}

TEST_F(CompileRoute, ParentsThatCannotBeRoutedAreReportedAndCaptureNothing) {
  mesh.add_service("shop", "none", {}).headless = true;
  mesh.add_service("shop", "alias", {}).external_name = true;
  mesh.add_service("shop", "sticky", {"10.96.0.5"}).session_affinity = true;
  add_route("shop", "r").parents = {parent("shop", "missing"), parent("shop", "none"),
                                    parent("shop", "alias"),   parent("shop", "sticky"),
                                    parent("shop", "pay", 99), parent("shop", "pay", 80, "other")};
  run();
  EXPECT_FALSE(is_captured("10.96.0.1"));
  EXPECT_EQ(routes("sticky"), nullptr);
  const std::string all = testing::PrintToString(findings());
  for (const char* text :
       {"there is no Service shop/missing", "Service shop/none is headless",
        "Service shop/alias is an ExternalName", "Service shop/sticky is left to kube-proxy",
        "Service shop/pay has no TCP port 99", "has no TCP port 80 called 'other'"})
    EXPECT_THAT(all, HasSubstr(text));
}

TEST_F(CompileRoute, APortThatSaysItIsNotHttpIsRoutedAndReported) {
  auto& pay = mesh.add_service("shop", "pay", {"10.96.0.1"});
  pay.ports[0].app_protocol = model::AppProtocol::kTcp;
  pay.ports[0].is_declared = true;
  add_route("shop", "r");
  run();
  EXPECT_TRUE(is_captured("10.96.0.1"));
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("an appProtocol that is not HTTP")));
  pay.ports[0].is_declared = false;
  run();
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(CompileRoute, ConsumerRoutesReplaceTheProducersForTheirNamespaceOnly) {
  add_route("shop", "producer");
  add_route("web", "first");
  add_route("web", "second");
  run();
  EXPECT_THAT(order(routes()->for_client("shop")), ElementsAre("shop/producer#0"));
  EXPECT_THAT(order(routes()->for_client("other")), ElementsAre("shop/producer#0"));
  EXPECT_THAT(order(routes()->for_client("web")), ElementsAre("web/first#0", "web/second#0"));
  mesh.snapshot.http_routes.erase({model::Kind::kHttpRoute, "shop", "producer"});
  run();
  EXPECT_EQ(routes()->for_client("shop"), nullptr);
  EXPECT_TRUE(is_captured("10.96.0.1"));
}

TEST_F(CompileRoute, MatchesAreRankedAsTheGatewayApiSays) {
  auto& route = add_route("shop", "r");
  route.rules.clear();
  const auto add = [&route](const std::string& name, config::RequestMatch one) {
    route.rules.emplace_back();
    route.rules.back().name = name;
    route.rules.back().matches = {std::move(one)};
    return &route.rules.back().matches[0];
  };
  add("any", match(PathMatch::kPrefix, "/"));
  add("query", match(PathMatch::kPrefix, "/"))->query = {{}, {}, {}};
  add("header", match(PathMatch::kPrefix, "/"))->headers = {{}};
  add("method", match(PathMatch::kPrefix, "/"))->method = "GET";
  add("long", match(PathMatch::kPrefix, "/longer"));
  add("regex-long", match(PathMatch::kRegex, "/much/longer/.*"));
  add("regex-method", match(PathMatch::kRegex, "/.*"))->method = "GET";
  add("exact", match(PathMatch::kExact, "/"));
  run();
  EXPECT_THAT(order(routes()->producer.get()),
              ElementsAre("shop/r#exact", "shop/r#regex-method", "shop/r#regex-long", "shop/r#long",
                          "shop/r#method", "shop/r#header", "shop/r#query", "shop/r#any"));
}

TEST_F(CompileRoute, EveryMatchOfARuleIsRankedOnItsOwn) {
  auto& route = add_route("shop", "r");
  route.rules[0].matches = {match(PathMatch::kPrefix, "/"), match(PathMatch::kExact, "/a")};
  route.rules.emplace_back().matches = {match(PathMatch::kPrefix, "/a")};
  run();
  EXPECT_THAT(order(routes()->producer.get()), ElementsAre("shop/r#0", "shop/r#1", "shop/r#0"));
  EXPECT_EQ(routes()->producer->rules.size(), 2u);
}

TEST_F(CompileRoute, OfEqualMatchesTheOldestRouteThenTheNameThenTheOrderDecides) {
  add_route("shop", "a");
  add_route("shop", "b");
  add_route("shop", "c").meta.created = 200;
  add_route("shop", "d").meta.created = 100;
  run();
  EXPECT_THAT(order(routes()->producer.get()),
              ElementsAre("shop/d#0", "shop/c#0", "shop/a#0", "shop/b#0"));
  auto& twice = add_route("shop", "b");
  twice.rules.emplace_back().matches.emplace_back();
  run();
  EXPECT_THAT(order(routes()->producer.get()),
              ElementsAre("shop/d#0", "shop/c#0", "shop/a#0", "shop/b#0", "shop/b#1"));
}

TEST_F(CompileRoute, BackendsNameServiceIdsAndInvalidOnesKeepTheirShare) {
  mesh.add_service("shop", "v1", {"10.96.0.11"});
  mesh.add_service("shop", "v2", {}).headless = true;
  mesh.add_service("shop", "alias", {}).external_name = true;
  auto bucket = backend("bucket");
  bucket.kind = "x.io/Bucket";
  add_route("shop", "r").rules[0].backends = {backend("v1", 80, 90),     backend("v2"),
                                              backend("missing", 80, 7), backend("v1", 99, 2),
                                              backend("alias"),          bucket};
  run();
  const auto& backends = routes()->producer->rules[0].backends;
  ASSERT_EQ(backends.size(), 6u);
  EXPECT_EQ(backends[0].name, "shop/v1:80");
  EXPECT_EQ(backends[0].weight, 90u);
  EXPECT_THAT(backends[0].service, ElementsAre(service_id("shop", "v1", 80, KS_FAMILY_4), 0));
  EXPECT_THAT(backends[1].service, ElementsAre(service_id("shop", "v2", 80, KS_FAMILY_4),
                                               service_id("shop", "v2", 80, KS_FAMILY_6)));
  for (size_t i = 0; i < backends.size(); ++i) EXPECT_EQ(backends[i].is_valid, i < 2) << i;
  EXPECT_EQ(backends[2].weight, 7u);
  EXPECT_THAT(backends[2].service, ElementsAre(0, 0));
  EXPECT_EQ(findings().size(), 4u + 1u) << "four backends, and the ExternalName itself";
}

TEST_F(CompileRoute, TheVerdictOfARouteThatServesIsTrueInBothConditions) {
  mesh.add_service("shop", "v1", {"10.96.0.11"});
  add_route("shop", "r").rules[0].backends = {backend("v1")};
  run();
  const auto [accepted, resolved] = conditions(verdict_for("pay"));
  EXPECT_EQ(accepted, (RouteCondition{true, "Accepted", ""}));
  EXPECT_EQ(resolved, (RouteCondition{true, "ResolvedRefs", ""}));
}

TEST_F(CompileRoute, EveryParentGetsItsOwnVerdictWithTheTextOfItsFinding) {
  mesh.add_service("shop", "none", {}).headless = true;
  mesh.add_service("shop", "sticky", {"10.96.0.5"}).session_affinity = true;
  add_route("shop", "r").parents = {parent("shop", "missing"), parent("shop", "none"),
                                    parent("shop", "sticky"), parent("shop", "pay", 99),
                                    parent("shop", "pay")};
  run();
  const auto said = findings();
  size_t verdicts = 0;
  for (const auto& list : plan.route_verdicts)
    for (const RouteVerdict& verdict : *list) {
      ++verdicts;
      EXPECT_EQ(verdict.accepted.is_true, verdict.parent == 4) << verdict.parent;
      if (verdict.parent == 4) continue;
      EXPECT_EQ(verdict.accepted.reason, "NoMatchingParent");
      const std::string& text = verdict.accepted.message;
      EXPECT_TRUE(std::ranges::any_of(said, [&](const auto& f) { return text.starts_with(f); }))
          << text;
    }
  EXPECT_EQ(verdicts, 5u);
}

TEST_F(CompileRoute, InvalidBackendsAreOneConditionWithTheReasonOfTheFirst) {
  auto bucket = backend("bucket");
  bucket.kind = "x.io/Bucket";
  add_route("shop", "r").rules[0].backends = {backend("missing"), bucket, backend("missing")};
  run();
  const auto [accepted, resolved] = conditions(verdict_for("pay"));
  EXPECT_TRUE(accepted.is_true);
  EXPECT_EQ(resolved, (RouteCondition{false, "BackendNotFound",
                                      "there is no Service shop/missing; kind x.io/Bucket cannot "
                                      "be a backend"}));
  add_route("shop", "r").rules[0].backends = {bucket};
  run();
  EXPECT_EQ(conditions(verdict_for("pay")).second.reason, "InvalidKind");
}

TEST_F(CompileRoute, ABackendOfAnotherNamespaceNeedsAGrantThere) {
  mesh.add_service("bank", "vault", {"10.96.0.20"});
  auto vault = backend("vault", 80, 3);
  vault.ns = "bank";
  add_route("shop", "r").rules[0].backends = {vault};
  struct Case {
    const char *ns, *from, *service;
    bool permits;
  };
  const Case cases[] = {
      {"bank", "shop", "", true}, {"bank", "shop", "vault", true}, {"bank", "shop", "other", false},
      {"bank", "web", "", false}, {"shop", "shop", "", false},     {"banker", "shop", "", false},
  };
  for (const Case& each : cases) {
    mesh.snapshot.reference_grants.clear();
    add_grant(each.ns, "g", each.from, each.service);
    run();
    const std::string where = std::string(each.ns) + " " + each.from + " " + each.service;
    const auto& compiled = routes()->producer->rules[0].backends[0];
    EXPECT_EQ(compiled.is_valid, each.permits) << where;
    EXPECT_EQ(compiled.weight, 3u) << "an invalid one keeps its share";
    EXPECT_EQ(compiled.service[0] != 0, each.permits) << where;
    const auto [accepted, resolved] = conditions(verdict_for("pay"));
    EXPECT_TRUE(accepted.is_true);
    EXPECT_EQ(resolved.is_true, each.permits) << where;
    EXPECT_EQ(resolved.reason, each.permits ? "ResolvedRefs" : "RefNotPermitted") << where;
    EXPECT_EQ(plan.findings.size(), each.permits ? 0u : 1u);
    if (each.permits) continue;
    EXPECT_EQ(plan.findings[0].reason, Reason::reference_not_permitted);
    EXPECT_THAT(plan.findings[0].message,
                HasSubstr("no ReferenceGrant in namespace bank lets HTTPRoutes of namespace shop "
                          "use Service bank/vault"));
  }
}

TEST_F(CompileRoute, OfSeveralGrantsOneThatPermitsIsEnough) {
  mesh.add_service("bank", "vault", {"10.96.0.20"});
  auto vault = backend("vault");
  vault.ns = "bank";
  add_route("shop", "r").rules[0].backends = {vault};
  add_grant("bank", "a", "web", "");
  add_grant("bank", "b", "shop", "other");
  add_grant("bank", "c", "shop", "vault");
  run();
  EXPECT_TRUE(routes()->producer->rules[0].backends[0].is_valid);
}

TEST_F(CompileRoute, WithoutAGrantNobodyLearnsWhatTheOtherNamespaceHas) {
  auto missing = backend("missing");
  missing.ns = "bank";
  add_route("shop", "r").rules[0].backends = {missing};
  run();
  EXPECT_EQ(conditions(verdict_for("pay")).second.reason, "RefNotPermitted");
  add_grant("bank", "g", "shop", "");
  run();
  EXPECT_EQ(conditions(verdict_for("pay")).second.reason, "BackendNotFound");
}

TEST_F(CompileRoute, AConsumerRouteMaySendOnToTheServiceThatItsClientsDialled) {
  mesh.add_service("shop", "other", {"10.96.0.30"});
  add_route("web", "r").rules[0].backends = {backend("pay"), backend("other")};
  run();
  const auto& backends = routes()->for_client("web")->rules[0].backends;
  EXPECT_TRUE(backends[0].is_valid);
  EXPECT_FALSE(backends[1].is_valid);
  // The same route for the clients of another Service.
  auto& route = add_route("web", "r");
  route.parents = {parent("shop", "other")};
  route.rules[0].backends = {backend("pay"), backend("other")};
  run();
  const auto& others = routes("other")->for_client("web")->rules[0].backends;
  EXPECT_FALSE(others[0].is_valid);
  EXPECT_TRUE(others[1].is_valid);
}

TEST_F(CompileRoute, AGrantThatComesOrGoesCompilesTheRoutesThatNeedItAndNoOthers) {
  mesh.add_service("bank", "vault", {"10.96.0.20"});
  mesh.add_service("shop", "cart", {"10.96.0.21"});
  auto vault = backend("vault");
  vault.ns = "bank";
  add_route("shop", "r").rules[0].backends = {vault};
  auto& plain = add_route("shop", "plain");
  plain.parents = {parent("shop", "cart")};
  plain.rules[0].backends = {backend("cart")};
  Compiler compiler;
  const auto is_valid = [&] {
    const Plan now = compiler.compile(mesh.snapshot, mesh.facts);
    return now.proxy->services.at(service_id("shop", "pay", 80, KS_FAMILY_4))
        ->routes->producer->rules[0]
        .backends[0]
        .is_valid;
  };
  EXPECT_FALSE(is_valid());
  add_grant("bank", "unrelated", "web", "");
  EXPECT_FALSE(is_valid());
  EXPECT_EQ(compiler.last_work().compiled, 0u);
  add_grant("bank", "g", "shop", "vault");
  EXPECT_TRUE(is_valid());
  EXPECT_EQ(compiler.last_work().compiled, 2u) << "the routes of one Service, and that Service";
  mesh.snapshot.reference_grants.erase({model::Kind::kReferenceGrant, "bank", "g"});
  EXPECT_FALSE(is_valid());
  EXPECT_EQ(compiler.last_work().compiled, 2u);
}

TEST_F(CompileRoute, APortThatSaysItIsNotHttpIsAcceptedWithAWord) {
  auto& pay = mesh.add_service("shop", "pay", {"10.96.0.1"});
  pay.ports[0].app_protocol = model::AppProtocol::kHttp2;
  add_route("shop", "r");
  run();
  const RouteCondition accepted = conditions(verdict_for("pay")).first;
  EXPECT_TRUE(accepted.is_true);
  EXPECT_THAT(accepted.message, HasSubstr("routes read HTTP/1.1 only"));
}

TEST_F(CompileRoute, EndpointsOfEveryTcpServiceAreThereWithAndWithoutRoutes) {
  mesh.add_service("shop", "none", {}).headless = true;
  mesh.add_service("shop", "sticky", {"10.96.0.5"}).session_affinity = true;
  for (const char* name : {"none", "sticky", "pay"})
    mesh.add_slice("shop", name, std::string(name) + "-x").endpoints = {ready_endpoint("10.1.0.2"),
                                                                        ready_endpoint("10.1.0.1")};
  run();
  for (const char* name : {"none", "sticky", "pay"}) {
    const auto& set = *plan.proxy->endpoints.at(service_id("shop", name, 80, KS_FAMILY_4));
    EXPECT_EQ(set.service, std::string("shop/") + name + ":80");
    ASSERT_EQ(set.endpoints.size(), 2u);
    EXPECT_EQ(set.endpoints[0].to_string(), "10.1.0.1:8080");
  }
  EXPECT_TRUE(plan.proxy->endpoints.contains(service_id("shop", "pay", 80, KS_FAMILY_6)));
  EXPECT_FALSE(plan.proxy->endpoints.contains(service_id("shop", "sticky", 80, KS_FAMILY_6)));
}

TEST_F(CompileRoute, BothFamiliesOfAPortShareOneService) {
  run();
  const auto& services = plan.proxy->services;
  const auto& v4 = services.at(service_id("shop", "pay", 80, KS_FAMILY_4));
  EXPECT_EQ(v4, services.at(service_id("shop", "pay", 80, KS_FAMILY_6)));
  EXPECT_EQ(services.at(v4->ids[KS_FAMILY_6]), v4);
}

TEST_F(CompileRoute, RoutesAreCompiledAgainOnlyWhenWhatTheyReadChanges) {
  mesh.add_slice("shop", "pay", "pay-x");
  add_route("shop", "r").rules[0].backends = {backend("v1")};
  Compiler compiler;
  const Plan first = compiler.compile(mesh.snapshot, mesh.facts);
  const auto set_of = [](const Plan& from) {
    return from.proxy->services.at(service_id("shop", "pay", 80, KS_FAMILY_4))->routes;
  };
  EXPECT_EQ(set_of(compiler.compile(mesh.snapshot, mesh.facts)), set_of(first));
  EXPECT_EQ(compiler.last_work().compiled, 0u);

  mesh.add_slice("shop", "pay", "pay-x").endpoints = {ready_endpoint("10.1.0.1")};
  EXPECT_EQ(set_of(compiler.compile(mesh.snapshot, mesh.facts)), set_of(first));
  EXPECT_EQ(compiler.last_work().compiled, 1u) << "the endpoints, not the routes";

  EXPECT_FALSE(set_of(first)->producer->rules[0].backends[0].is_valid);
  mesh.add_service("shop", "v1", {"10.96.0.11"});
  const Plan with_backend = compiler.compile(mesh.snapshot, mesh.facts);
  EXPECT_TRUE(set_of(with_backend)->producer->rules[0].backends[0].is_valid);
  EXPECT_EQ(with_backend.rows, compile(mesh.snapshot, mesh.facts).rows);

  mesh.snapshot.http_routes.clear();
  const Plan without = compiler.compile(mesh.snapshot, mesh.facts);
  EXPECT_EQ(set_of(without), nullptr);
  EXPECT_EQ(without.rows, compile(mesh.snapshot, mesh.facts).rows);
  EXPECT_NE(without.rows, with_backend.rows);
}

}  // namespace
}  // namespace keelson::compile
