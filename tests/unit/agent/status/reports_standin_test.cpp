// Reports over CurlClient against kube-standin: the real wire, real time, one loop, two agents.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "io/timer.h"
#include "kube/access.h"
#include "rest/curl_client.h"
#include "status/reports.h"
#include "support/kube_standin.h"

namespace keelson::status {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr const char* kRoute = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/r";
constexpr const char* kLease =
    "/apis/coordination.k8s.io/v1/namespaces/keelson-system/leases/keelson-status";

// One agent's reports with the timer that its owner gives them.
struct Agent {
  Agent(io::EventLoop& loop, const Clock& on_clock, rest::Client& client, const std::string& node,
        const ReportView& view)
      : clock(on_clock),
        timer(loop,
              [this] {
                reports.wake();
                arm();
              }),
        reports(
            node, "keelson-system",
            {client, on_clock, [] { return 0.1; }, [&view] { return view; }, [this] { arm(); }}) {
    reports.start(nullptr);
    reports.note_change();
  }
  void arm() { timer.start_at(reports.next_wake(), clock.now()); }

  const Clock& clock;
  io::Timer timer;
  Reports reports;
};

class ReportsStandinTest : public testing::Test {
 protected:
  ReportsStandinTest() {
    for (const char* ns : {"shop", "keelson-system"})
      standin_.load(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":")" +
                    std::string(ns) + "\"}}\n");
    standin_.load(
        R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},"spec":{"taints":[)"
        R"({"key":"a","effect":"NoSchedule"},)"
        R"({"key":"keelson.dev/agent-not-ready","effect":"NoSchedule"}]}})"
        "\n"
        R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":)"
        R"({"name":"keelson-status","namespace":"keelson-system"},"spec":{}})"
        "\n"
        R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":)"
        R"({"name":"r","namespace":"shop","generation":1},"spec":{"parentRefs":[)"
        R"({"group":"","kind":"Service","name":"pay"}]},"status":{"parents":[)"
        R"({"controllerName":"example.net/gateway","parentRef":{"name":"edge"},"conditions":[]}]}})"
        "\n");
    auto server = kube::kubeconfig_server(standin_.kubeconfig(), clock_);
    if (!server) throw std::runtime_error(server.error().message());
    client_.emplace(loop_, clock_, std::move(*server));
    see(1, {true, "Accepted", ""});
  }
  // What the compiler says of the route.
  void see(int64_t generation, compile::RouteCondition accepted) {
    auto route = std::make_shared<model::HttpRoute>();
    route->meta.key = {model::Kind::kHttpRoute, "shop", "r"};
    route->meta.generation = generation;
    route->parents = {{"shop", "pay", 0, "", 0}};
    auto snapshot = std::make_shared<model::Snapshot>();
    snapshot->http_routes[route->meta.key] = route;
    compile::RouteVerdict verdict;
    verdict.route = route;
    verdict.accepted = std::move(accepted);
    auto plan = std::make_shared<compile::Plan>();
    plan->route_verdicts = {
        std::make_shared<const compile::RouteVerdicts>(compile::RouteVerdicts{verdict})};
    view_.snapshot = snapshot;
    view_.plan = plan;
  }
  json get(const std::string& path) {
    return json::parse(standin_.request("GET", path).body, nullptr, false);
  }
  bool run_until(const std::function<bool()>& holds) {
    bool is_late = false;
    io::Timer watchdog(loop_, [&] { is_late = true; });
    watchdog.start(std::chrono::seconds(20));
    io::Timer tick(loop_, [] {});  // holds() is asked now and then
    tick.start_repeating(milliseconds(20));
    while (!holds() && !is_late) loop_.run_once();
    return holds();
  }
  json our_entry() {
    const json parents = get(kRoute)["status"]["parents"];
    for (const json& entry : parents)
      if (entry["controllerName"] == kControllerName) return entry;
    return {};
  }

  SystemClock clock_;
  test::KubeStandin standin_;
  io::EventLoop loop_;
  std::optional<rest::CurlClient> client_;
  ReportView view_;
};

TEST_F(ReportsStandinTest, TheLeaderWritesItsEntryBesideTheOthers) {
  Agent agent(loop_, clock_, *client_, "n1", view_);
  ASSERT_TRUE(run_until([&] { return get(kLease)["spec"]["holderIdentity"] == "n1"; }));
  agent.reports.note_change();
  ASSERT_TRUE(run_until([&] { return our_entry().is_object(); }));
  const json parents = get(kRoute)["status"]["parents"];
  ASSERT_EQ(parents.size(), 2u);
  EXPECT_EQ(parents[0]["controllerName"], "example.net/gateway");
  EXPECT_EQ(parents[1]["conditions"][0]["observedGeneration"], 1);
  EXPECT_EQ(parents[1]["conditions"][1]["type"], "ResolvedRefs");
  EXPECT_EQ(get(kRoute)["metadata"]["generation"], 1) << "a status is no change of the route";

  see(1, {false, "NoMatchingParent", "there is no Service shop/pay"});
  agent.reports.note_change();
  ASSERT_TRUE(run_until([&] { return our_entry()["conditions"][0]["status"] == "False"; }));
  const json written = get(kRoute)["metadata"]["resourceVersion"];
  agent.reports.note_change();
  see(2, {true, "Accepted", ""});  // a version that the server does not have
  agent.reports.note_change();
  io::Timer pause(loop_, [] {});
  pause.start(milliseconds(1500));
  ASSERT_TRUE(run_until([&] { return !pause.is_active(); }));
  EXPECT_EQ(get(kRoute)["metadata"]["resourceVersion"], written);
}

TEST_F(ReportsStandinTest, OfTwoAgentsOneLeads) {
  Agent first(loop_, clock_, *client_, "n1", view_), second(loop_, clock_, *client_, "n2", view_);
  ASSERT_TRUE(run_until([&] { return get(kLease)["spec"].contains("holderIdentity"); }));
  first.reports.note_change();
  second.reports.note_change();
  ASSERT_TRUE(run_until([&] { return our_entry().is_object(); }));
  EXPECT_EQ(get(kLease)["spec"]["leaseTransitions"], 0);
  EXPECT_TRUE(first.reports.findings().empty());
  EXPECT_TRUE(second.reports.findings().empty());
}

TEST_F(ReportsStandinTest, AReadyAgentTakesTheTaintOffItsNodeAndLeavesTheOthers) {
  view_.is_ready = true;
  Agent agent(loop_, clock_, *client_, "n1", view_);
  const auto taints = [&] { return get("/api/v1/nodes/n1")["spec"]["taints"]; };
  ASSERT_TRUE(run_until([&] { return taints().size() == 1; }));
  EXPECT_EQ(taints()[0]["key"], "a");
}

TEST_F(ReportsStandinTest, EventsArriveAndARestartedAgentFindsItsOwn) {
  view_.pods = {{"shop", "web-1", "6f1c", SeenPod::State::kReady, Reason::none, "", 0}};
  const auto events = [&] { return get("/apis/events.k8s.io/v1/namespaces/shop/events")["items"]; };
  {
    Agent agent(loop_, clock_, *client_, "n1", view_);
    ASSERT_TRUE(run_until([&] { return events().size() == 1; }));
    EXPECT_EQ(events()[0]["reason"], "MeshJoined");
  }
  Agent again(loop_, clock_, *client_, "n1", view_);
  ASSERT_TRUE(run_until([&] { return events()[0].contains("series"); }));
  EXPECT_EQ(events()[0]["series"]["count"], 2);
  EXPECT_EQ(events().size(), 1u);
}

}  // namespace
}  // namespace keelson::status
