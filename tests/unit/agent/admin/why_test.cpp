#include "admin/why.h"

#include <gtest/gtest.h>

#include "admin/peer_policy.h"
#include "mesh_fixture.h"

namespace keelson::admin {
namespace {

class Why : public ::testing::Test {
 protected:
  WhyReport ask(const std::string& from, const std::string& to, uint16_t port = 0,
                const std::vector<Flow>& recent = {}) {
    const MeshView& view = mesh.look();
    return why(view, {from, to, port}, peer_policy(view), recent);
  }
  static const Link& link(const WhyReport& report, const std::string& name) {
    for (const auto& candidate : report.links)
      if (candidate.name == name) return candidate;
    static const Link kNone;
    ADD_FAILURE() << "no link " << name;
    return kNone;
  }
  static std::string broken(const WhyReport& report) {
    const Link* first = report.first_broken();
    if (first == nullptr) return "";
    EXPECT_FALSE(first->fix.empty()) << first->name;
    return first->name;
  }

  MeshFixture mesh;
};

TEST_F(Why, SameNodeWithoutPolicyIsDirectAndWhole) {
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "");
  EXPECT_EQ(report.path, "direct");
  EXPECT_EQ(report.destination, "shop/pay-1");
  EXPECT_EQ(report.question.port, 80);
  EXPECT_EQ(link(report, "service").result, LinkResult::kOk);
  EXPECT_EQ(link(report, "proxy").result, LinkResult::kSkipped);
}

TEST_F(Why, SourceMustBeANameOfAPodOnThisNode) {
  EXPECT_EQ(broken(ask("web-1", "shop/pay")), "source");
  EXPECT_EQ(broken(ask("shop/web-9", "shop/pay")), "source");
  const auto remote = ask("shop/pay-2", "shop/pay");
  EXPECT_EQ(broken(remote), "source");
  EXPECT_EQ(link(remote, "source").fix, "keelsonctl --node n2 why shop/pay-2 shop/pay");
}

TEST_F(Why, RefusedAndPendingSourcesAreBrokenAtEnrolment) {
  mesh.live.enrolments[0].state = EnrolmentState::kRefused;
  mesh.live.enrolments[0].reason = Reason::netns_invalid;
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "enrolment");
  EXPECT_NE(link(report, "enrolment").detail.find("netns_invalid"), std::string::npos);
  mesh.live.enrolments.clear();
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "enrolment");
}

TEST_F(Why, KernelBehindTheSourceIsBrokenAtConfiguration) {
  mesh.live.rollout.applied_generation = 6;
  mesh.live.rollout.waiting_for = "the proxy acknowledges generation 7";
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "configuration");
  EXPECT_NE(link(report, "configuration").detail.find("the proxy acknowledges"), std::string::npos);
  mesh.live.rollout.phase = RolloutPhase::kFenced;
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "configuration");
}

TEST_F(Why, UnknownTargetIsBrokenAtName) {
  EXPECT_EQ(broken(ask("shop/web-1", "shop/nope")), "name");
  EXPECT_EQ(broken(ask("shop/web-1", "pay")), "name");
}

TEST_F(Why, PortMustBeOneOfTheServiceAndUnambiguous) {
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay", 81)), "port");
  model::ServicePort second;
  second.name = "admin";
  second.port = 9000;
  mesh.service->ports.push_back(second);
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "port");
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay", 80)), "");
}

TEST_F(Why, ServiceWithoutReadyEndpointIsBrokenAtEndpoints) {
  mesh.add_slice({"pay-1"}, false);
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "endpoints");
  mesh.add_slice({});
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "endpoints");
}

TEST_F(Why, MeshedPodBehindAServiceThatIsLeftToKubeProxyIsBrokenAtPath) {
  mesh.service->session_affinity = true;
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(link(report, "service").result, LinkResult::kSkipped);
  EXPECT_EQ(broken(report), "path");
}

TEST_F(Why, RefusedDestinationIsBrokenAtDestination) {
  mesh.live.enrolments[1].state = EnrolmentState::kRefused;
  mesh.live.enrolments[1].reason = Reason::pod_slots_exhausted;
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "destination");
  mesh.live.enrolments[1].state = EnrolmentState::kReady;
  mesh.pay->ready = false;
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay-1", 8080)), "destination");
}

TEST_F(Why, StrictRefusesAnUnmeshedSourceAndNamesThePlace) {
  mesh.add_strict();
  const auto report = ask("out/raw-1", "shop/pay");
  EXPECT_EQ(broken(report), "mode");
  EXPECT_NE(link(report, "mode").detail.find("mtls.yaml:3"), std::string::npos);
  EXPECT_EQ(link(report, "mode").fix, "kubectl label namespace out keelson.dev/mesh=enabled");
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "");
}

TEST_F(Why, DenyIsBrokenAtPolicyAndNamesItsFileAndLine) {
  mesh.add_policy("no-web", model::PolicyAction::kDeny, "cluster.local/ns/shop/sa/web");
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "policy");
  const std::string& detail = link(report, "policy").detail;
  EXPECT_NE(detail.find("policy_denied"), std::string::npos) << detail;
  EXPECT_NE(detail.find("shop/no-web, policies.yaml:12"), std::string::npos) << detail;
  EXPECT_EQ(link(report, "policy").fix, "kubectl edit authorizationpolicy -n shop no-web");
}

TEST_F(Why, AllowForSomebodyElseIsBrokenAtPolicy) {
  mesh.add_policy("callers", model::PolicyAction::kAllow, "cluster.local/ns/shop/sa/cart");
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "policy");
  EXPECT_NE(link(report, "policy").detail.find("not_allowed"), std::string::npos);
  EXPECT_NE(link(report, "policy").detail.find("policies.yaml:12"), std::string::npos);
}

TEST_F(Why, AllowForTheCallerIsOkAndSaysWhichPolicy) {
  mesh.add_policy("callers", model::PolicyAction::kAllow, "cluster.local/ns/shop/sa/web");
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "");
  EXPECT_NE(link(report, "policy").detail.find("shop/callers"), std::string::npos);
}

TEST_F(Why, UnmeshedCallerOfAnAllowPolicyIsToldToJoinTheMesh) {
  mesh.add_policy("callers", model::PolicyAction::kAllow, "cluster.local/ns/out/sa/raw");
  const auto report = ask("out/raw-1", "shop/pay");
  EXPECT_EQ(broken(report), "policy");
  EXPECT_EQ(link(report, "policy").fix, "kubectl label namespace out keelson.dev/mesh=enabled");
}

TEST_F(Why, OtherNodeNeedsAConnectedProxyWithTheSameGeneration) {
  mesh.add_slice({"pay-2"});
  const auto waiting = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(waiting.path, "capture");
  EXPECT_EQ(broken(waiting), "proxy");
  mesh.live.proxy = {true, 6, {}};
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "proxy");
  mesh.live.proxy = {true, 7, {}};
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "");
}

TEST_F(Why, PolicyOfAPodOnAnotherNodeIsJudgedToo) {
  mesh.add_slice({"pay-2"});
  mesh.live.proxy = {true, 7, {}};
  mesh.add_policy("no-web", model::PolicyAction::kDeny, "cluster.local/ns/shop/sa/web");
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(report.destination, "shop/pay-2");
  EXPECT_EQ(broken(report), "policy");
}

TEST_F(Why, OneBrokenEndpointOfSeveralIsTheOneThatIsShown) {
  mesh.add_slice({"pay-1", "pay-2"});
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(report.destination, "shop/pay-2");
  EXPECT_EQ(broken(report), "proxy");
  EXPECT_NE(link(report, "path").detail.find("capture 1 direct 1"), std::string::npos)
      << link(report, "path").detail;
}

TEST_F(Why, JoiningPodOfAnotherNodeIsBrokenAtDestination) {
  mesh.add_slice({"pay-2"});
  mesh.set_far_state(model::PodState::kJoining);
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "destination");
  EXPECT_EQ(link(report, "destination").fix, "keelsonctl --node n2 status");
}

// As at the API server: pods of the own node only. pay-2 is known by n2's NodeState and the slice.
class WhyFar : public Why {
 protected:
  WhyFar() {
    mesh.add_slice({"pay-2"});
    mesh.snapshot.pods.erase(mesh.far->meta.key);
    mesh.live.proxy = {true, 7, {}};
  }
  // A policy on pods that no Service is known to select: tier=gold.
  void select_by_another_label(const std::string& policy) {
    const model::ObjectKey key{model::Kind::kAuthorizationPolicy, "shop", policy};
    auto other =
        std::make_shared<model::AuthorizationPolicy>(*mesh.snapshot.authorization_policies.at(key));
    other->selector = model::Labels{{"tier", "gold"}};
    mesh.snapshot.authorization_policies[key] = other;
  }
};

TEST_F(WhyFar, APodOfAnotherNodeIsExplainedToTheEndByNameAndBehindItsService) {
  for (const auto& [target, port] : {std::pair("shop/pay", 0), std::pair("shop/pay-2", 8080)}) {
    const auto report = ask("shop/web-1", target, static_cast<uint16_t>(port));
    EXPECT_EQ(broken(report), "") << target;
    EXPECT_EQ(report.destination, "shop/pay-2");
    EXPECT_EQ(report.path, "capture");
    EXPECT_EQ(report.decided_by, "");
    EXPECT_EQ(link(report, "path").detail, "capture: another node: mTLS by the proxies (HBONE)");
    EXPECT_EQ(link(report, "destination").detail,
              "pod shop/pay-2 of node n2 is in the mesh: listed there as ready");
    EXPECT_EQ(link(report, "mode").detail, "mutual TLS: STRICT is met");
    EXPECT_EQ(link(report, "policy").detail, "no AuthorizationPolicy refuses it");
    EXPECT_EQ(link(report, "proxy").result, LinkResult::kOk);
  }
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay-2")), "port") << "its ports are not known here";
}

TEST_F(WhyFar, PolicyIsJudgedByTheLabelsThatItsServiceSelectsBy) {
  mesh.add_policy("no-web", model::PolicyAction::kDeny, "cluster.local/ns/shop/sa/web");
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "policy");
  EXPECT_NE(link(report, "policy").detail.find("shop/no-web"), std::string::npos);
  EXPECT_EQ(report.decided_by, "");
}

// A pattern is judged by the identities that there are, and the caller's is one.
TEST_F(WhyFar, APolicyForManyIdentitiesIsJudgedAsItsNodeDoes) {
  mesh.add_policy("ours", model::PolicyAction::kAllow, "cluster.local/ns/shop/*");
  mesh.add_policy("no-evil", model::PolicyAction::kDeny, "cluster.local/ns/evil/*");
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "");
  mesh.add_policy("ours", model::PolicyAction::kAllow, "cluster.local/ns/other/*");
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "policy");
  mesh.add_policy("ours", model::PolicyAction::kAllow, "cluster.local/ns/shop/*");
  mesh.add_policy("no-evil", model::PolicyAction::kDeny, "*/sa/web");
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "policy");
}

TEST_F(WhyFar, APolicyOnLabelsThatOnlyItsNodeKnowsIsLeftToThatNode) {
  mesh.add_policy("gold", model::PolicyAction::kDeny, "cluster.local/ns/shop/sa/web");
  select_by_another_label("gold");
  const auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "");
  EXPECT_EQ(report.decided_by, "n2");
  EXPECT_EQ(link(report, "policy").result, LinkResult::kSkipped);
  EXPECT_EQ(link(report, "policy").detail,
            "only node n2 knows whether AuthorizationPolicy shop/gold selects the pod: keelsonctl "
            "--node n2 config workloads");
  // Also behind a Service with an endpoint on this node, which all is known of.
  mesh.snapshot.pods[mesh.far->meta.key] = mesh.far;
  mesh.add_slice({"pay-1", "pay-2"});
  mesh.snapshot.pods.erase(mesh.far->meta.key);
  EXPECT_EQ(ask("shop/web-1", "shop/pay").destination, "shop/pay-2");
  // What is refused in any case is said.
  mesh.add_policy("no-web", model::PolicyAction::kDeny, "cluster.local/ns/shop/sa/web");
  const auto refused = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(refused), "policy");
  EXPECT_EQ(refused.decided_by, "");
}

TEST_F(WhyFar, StrictTowardsACallerOutsideTheMeshIsSaid) {
  mesh.add_strict();
  EXPECT_EQ(broken(ask("out/raw-1", "shop/pay")), "mode");
}

TEST_F(WhyFar, APodThatItsNodeDoesNotListAsReadyIsBrokenAtDestination) {
  mesh.set_far_state(model::PodState::kJoining);
  auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(report.path, "passthrough");
  EXPECT_EQ(broken(report), "destination");
  EXPECT_EQ(link(report, "destination").detail,
            "pod shop/pay-2 of node n2 is joining: listed by node n2");
  EXPECT_EQ(link(report, "destination").fix, "keelsonctl --node n2 status");
  mesh.snapshot.node_states.clear();
  report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "") << "plaintext passes";
  EXPECT_EQ(link(report, "destination").detail,
            "pod shop/pay-2 of node n2 is not listed by its node: not in the mesh yet, or kept out "
            "(its own label, the node's network)");
  EXPECT_EQ(link(report, "path").detail,
            "passthrough: the destination is outside the mesh: plaintext");
}

TEST_F(WhyFar, APodOfANamespaceOutsideTheMeshIsToldApartFromOneThatIsNotListed) {
  mesh.snapshot.node_states.clear();
  mesh.add_namespace("shop", false);
  const auto report = ask("out/raw-1", "shop/pay-2", 8080);
  EXPECT_EQ(broken(report), "");
  EXPECT_EQ(link(report, "destination").detail, "pod shop/pay-2 of node n2 is not in the mesh");
}

TEST_F(WhyFar, ANameThatNobodyKnowsIsBrokenAtNameAndSaysHowOthersAreKnown) {
  const auto report = ask("shop/web-1", "shop/pay-3");
  EXPECT_EQ(broken(report), "name");
  EXPECT_NE(link(report, "name").detail.find("NodeState"), std::string::npos);
}

TEST_F(Why, AServiceWithARouteIsCapturedAndNeedsTheProxyAndItsBackends) {
  mesh.live.proxy.connected = true;
  mesh.live.proxy.acknowledged_generation = 7;
  mesh.add_route("pay");
  auto report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "");
  EXPECT_EQ(report.path, "capture");
  EXPECT_NE(link(report, "path").detail.find("routed per request"), std::string::npos);
  EXPECT_EQ(link(report, "routes").result, LinkResult::kOk);
  EXPECT_EQ(report.destination, "shop/pay-1");
  mesh.live.proxy.acknowledged_generation = 6;
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "proxy");
  mesh.live.proxy.acknowledged_generation = 7;
  mesh.add_slice({"pay-1"}, false);
  report = ask("shop/web-1", "shop/pay");
  EXPECT_EQ(broken(report), "endpoints");
  EXPECT_NE(link(report, "endpoints").detail.find("shop/pay:80"), std::string::npos);
  mesh.add_route("gone");
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay")), "routes");
}

TEST_F(Why, ExcludedPortPassesThrough) {
  mesh.web->excluded_outbound_ports = {80};
  EXPECT_EQ(ask("shop/web-1", "shop/pay").path, "passthrough");
}

TEST_F(Why, NewestRecordedRefusalIsBrokenAtFlows) {
  Flow refused;
  refused.reason = "tuple_budget";
  Flow passed;
  passed.reason = "direct";
  passed.allowed = true;
  EXPECT_EQ(broken(ask("shop/web-1", "shop/pay", 0, {passed, refused})), "flows");
  const auto report = ask("shop/web-1", "shop/pay", 0, {refused, passed});
  EXPECT_EQ(broken(report), "");
  EXPECT_EQ(link(report, "flows").detail, "recorded lately: direct 1 tuple_budget 1");
}

}  // namespace
}  // namespace keelson::admin
